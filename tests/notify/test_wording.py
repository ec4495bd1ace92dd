"""An alert reads as one line, whatever its names hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.notify.servers import a_notice, an_alert, two_alerts

from walkdown.notify.wording import headline, letter, one_line
from walkdown.types import Notice


def test_a_headline_says_how_bad_what_where_and_what_happened() -> None:
    assert headline(a_notice()) == "[HIGH] crack on pole-17: opened"


@given(text=st.text(alphabet=st.characters()))
def test_one_line_is_one_printable_line(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line.splitlines()) <= 1
    assert len(line) <= 200
    line.encode()


@given(text=st.text(alphabet="abc-17", max_size=200))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert one_line(text) == text


def test_long_text_is_cut_visibly() -> None:
    assert one_line("a" * 300) == "a" * 199 + "…"


def test_a_headline_of_several_says_how_many() -> None:
    assert headline(two_alerts()) == "[HIGH] 2 alerts on pole-17: crack, rust"
    storm = "[HIGH] 9 alerts on several assets, the worst: crack on pole-17"
    assert headline(two_alerts(more=7)) == storm
    labels = Notice(tuple(an_alert(label=label, identity=label) for label in "abcda"))
    assert headline(labels) == "[HIGH] 5 alerts on pole-17: a, b, c, …"


@given(text=st.text(alphabet=st.characters()))
def test_no_name_makes_a_line_of_its_own(text: str) -> None:
    plain, odd = (letter(a_notice(asset=name, label=name)) for name in ("pole", text))
    assert odd.count("\n") == plain.count("\n") == len(odd.splitlines())
