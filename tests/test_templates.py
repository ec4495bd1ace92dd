import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.errors import SpecError
from walkdown.templates import UNASSIGNED, Place, compile_template, place

LONG = "{site}/{asset}/{view}/{name}"


@pytest.mark.parametrize(
    ("template", "path", "asset", "view"),
    [
        (LONG, "north/pole-17/front/1.jpg", "north/pole-17", "front"),
        (LONG, "north/pole-17/front/2025/1.jpg", "north/pole-17", "front"),
        (LONG, "north/pole-17/1.jpg", None, None),
        ("{asset}", "pole/1.jpg", "pole", None),
        ("{site}/{asset}", "a/b/c/d/e.jpg", "a/b", None),
        ("/{asset}/", "pole/1.jpg", "pole", None),
        ("{asset}/**", "pole/1.jpg", "pole", None),
        ("{asset}/**", "pole/front/1.jpg", "pole", None),
        ("{asset}/**/{view}/{name}.jpg", "pole/front/1.jpg", "pole", "front"),
        ("{asset}/**/{view}/{name}.jpg", "pole/2025/06/front/1.jpg", "pole", "front"),
        ("**/{asset}/raw/{name}", "x/y/pole/raw/1.jpg", "pole", None),
        ("**/{asset}/raw/{name}", "pole/raw/1.jpg", "pole", None),
        ("**/**/{asset}/raw/{name}", "x/pole/raw/1.jpg", "pole", None),
        ("{asset}_{view}.jpg", "pole_front.jpg", "pole", "front"),
        ("{asset}_{view}.jpg", "pole_front_low.jpg", "pole", "front_low"),
        ("{asset}_{view}.jpg", "pole_front.jpg.jpg", "pole", "front.jpg"),
        ("{asset}_{view}.jpg", "pole_front.png", None, None),
        ("{site}--{asset}-{view}.*", "a-b--c-d-e.jpg", "a-b/c", "d-e"),
        ("IMG_*_{asset}.jpg", "IMG_001_pole.jpg", "pole", None),
        ("a/a/{asset}", "a/a/pole/1.jpg", "pole", None),
        ("a/a/{asset}", "a/pole/1.jpg", None, None),
        ("{asset}.d/{name}", "poleXd/1.jpg", None, None),
        ("{asset}/{name}", "žluťoučký kůň/1.jpg", "žluťoučký kůň", None),
        ("{asset}/{name}", "new\nline/1.jpg", "new\nline", None),
        ("{asset}/{name}", "", None, None),
        ("fixed/{asset}", "Fixed/pole/1.jpg", None, None),
    ],
)
def test_what_a_path_says(template: str, path: str, asset: str | None, view: str | None) -> None:
    found = place(template, path)
    assert (found.asset, found.viewpoint) == (asset, view)


def test_a_path_names_the_site_and_the_kind_of_an_asset() -> None:
    found = place("{site}/{kind}-{asset}/{name}", "north/pole-17/1.jpg")
    assert found == Place("north/17", None, site="north", kind="pole")


def test_without_a_template_nothing_is_assigned() -> None:
    assert place(None, "a/b/c.jpg") == UNASSIGNED


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("", "must contain {asset}"),
        ("/", "must contain {asset}"),
        ("{site}/{name}", "must contain {asset}"),
        ("{asset}/{asset}", "has {asset} twice"),
        ("{asset", "unpaired brace in '{asset'"),
        ("{site/{asset}", "unpaired brace in '{site'"),
        ("asset}/{asset}", "unpaired brace in 'asset}'"),
        ("{{asset}}", "unpaired brace"),
        ("{Asset}", "is no field name"),
        ("{}/{asset}", "'{}' in the template '{}/{asset}' is no field name"),
        ("{a b}/{asset}", "is no field name"),
        ("{site}//{asset}", "empty folder name"),
        ("{site}{asset}", "put something between them"),
        ("{asset}*.jpg", "put something between them"),
        ("*{asset}", "put something between them"),
        ("**/a/**/b/**/{asset}", "has '**' more than 2 times"),
        ("*a*b*/{asset}", "has '*' more than 2 times"),
    ],
)
def test_a_wrong_template_says_what_is_wrong(template: str, complaint: str) -> None:
    with pytest.raises(SpecError) as e:
        compile_template(template)
    assert complaint in str(e.value)


names = st.text(st.characters(exclude_characters="/_", codec="utf-8"), min_size=1, max_size=8)


@given(names, names, names, st.lists(names, max_size=3))
def test_what_was_put_into_a_path_is_found_in_it(
    site: str, asset: str, view: str, deeper: list[str]
) -> None:
    path = "/".join([f"{site}_{asset}", view, *deeper, "1.jpg"])
    expected = Place(f"{site}/{asset}", view, site)
    assert place("{site}_{asset}/{view}", path) == expected
    assert place("{site}_{asset}/{view}/**/{name}.jpg", path) == expected


@given(st.text("{}*/ab-", max_size=12), st.text("ab-/", max_size=30))
def test_any_template_works_or_is_refused(template: str, path: str) -> None:
    try:
        found = place(template, path)
    except SpecError:
        return
    assert found.asset is None or found.asset.split("/")[-1] in path


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{a}-{b}-{c}-{d}-{e}-{asset}.jpg", "-" * 90),
        ("{a}--{b}--{c}--{d}--{asset}.jpg", "-" * 250),
        ("**/x/**/{asset}/y", "x/" * 500),
        ("*a*-{asset}.jpg", "a" * 250),
    ],
)
def test_no_path_takes_long(template: str, path: str) -> None:
    start = time.perf_counter()
    place(template, path)
    assert time.perf_counter() - start < 1.0
