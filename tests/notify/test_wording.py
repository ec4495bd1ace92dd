"""An alert reads as one line, whatever its names hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.notify.servers import an_alert

from walkdown.notify.wording import headline, one_line


def test_a_headline_says_how_bad_what_where_and_what_happened() -> None:
    assert headline(an_alert()) == "[HIGH] crack on pole-17: opened"


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
