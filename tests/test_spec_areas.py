"""Areas and alignment in the pipeline file, and what people get wrong there."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from walkdown.errors import SpecError
from walkdown.spec import PipelineSpec, parse_pipeline

TRIANGLE = "[[0.1, 0.2], [0.9, 0.2], [0.5, 1]]"


def parse(areas: str) -> PipelineSpec:
    text = f"stages: [{{name: a, model: m}}]\nprepare:\n  areas:\n    {areas}\n"
    return parse_pipeline(text, where="p.yaml", name="p")


def complaint(areas: str) -> str:
    with pytest.raises(SpecError) as e:
        parse(areas)
    return str(e.value)


def test_nothing_is_prepared_unless_asked_for() -> None:
    spec = parse_pipeline("stages: [{name: a, model: m}]", where="p.yaml", name="p")
    areas = spec.prepare.areas
    assert (areas.unit, areas.only, areas.ignore, areas.mask) == ("share", (), (), None)
    assert spec.prepare.align is None


def test_areas_are_read() -> None:
    areas = parse(f"{{only: [{TRIANGLE}], ignore: [{TRIANGLE}, {TRIANGLE}], mask: m.png}}").prepare
    assert areas.areas.only == (((0.1, 0.2), (0.9, 0.2), (0.5, 1.0)),)
    assert len(areas.areas.ignore) == 2
    assert areas.areas.mask == "m.png"


def test_pixels_may_be_any_on_an_image() -> None:
    areas = parse("{unit: px, ignore: [[[0, 0], [4000, 0], [4000, 3000]]]}").prepare.areas
    assert areas.unit == "px"
    assert areas.ignore[0][1] == (4000, 0)


@pytest.mark.parametrize(
    ("areas", "words"),
    [
        (
            "{ignore: [[[0, 0], [1, 1]]]}",
            "'prepare.areas.ignore[1]': has 2 points; a polygon needs",
        ),
        ("{ignore: [[]]}", "'prepare.areas.ignore[1]': has 0 points"),
        (
            f"{{only: [{TRIANGLE}, [[0, 0], [640, 0], [0, 1]]]}}",
            "only[2][2]': x = 640 and y = 0 lie outside of the image; shares go from 0 to 1 (write",
        ),
        (
            "{only: [[[0, 0], [-0.1, 0], [0, 1]]]}",
            "'prepare.areas.only[1][2][1]' must be at least 0",
        ),
        (
            "{only: [[[0, .nan], [1, 0], [0, 1]]]}",
            "'prepare.areas.only[1][1][2]' must be at least 0",
        ),
        (
            "{only: [[[0, nan], [1, 0], [0, 1]]]}",
            "'prepare.areas.only[1][1][2]' must be at least 0",
        ),
        ("{only: [[[0, .inf], [1, 0], [0, 1]]]}", "must be at most 1000000 (it is inf)"),
        ("{unit: px, only: [[[0, 1e300], [1, 0], [0, 1]]]}", "must be at most 1000000"),
        ("{only: [[[0, left], [1, 0], [0, 1]]]}", "must be a number (it is 'left')"),
        ("{only: [[[0, true], [1, 0], [0, 1]]]}", "must be a number (it is 'true')"),
        ("{only: [[[0, null], [1, 0], [0, 1]]]}", "must be a number (it is empty)"),
        ("{only: [[[0, 0, 0], [1, 0], [0, 1]]]}", "[1][1]' must not have more than 2 entries"),
        ("{only: [[[0], [1, 0], [0, 1]]]}", "'prepare.areas.only[1][1][2]' is missing"),
        ("{only: [[0, 0], [1, 0], [0, 1]]}", "must be a list of polygons, each a list of points"),
        ("{only: everything}", "'prepare.areas.only' must be a list (it is 'everything')"),
        ("{unit: cm}", "'prepare.areas.unit' must be 'share' or 'px' (it is 'cm')"),
        ("{mask: ''}", "'prepare.areas.mask' must have 1 or more characters"),
        ("{mask: [a.png]}", "'prepare.areas.mask' must be text"),
        ("{ingore: []}", "unknown key 'prepare.areas.ingore'; did you mean 'ignore'?"),
        ("[]", "'prepare.areas' must hold 'key: value' lines"),
    ],
)
def test_a_slip_is_told_with_its_line_and_place(areas: str, words: str) -> None:
    told = complaint(areas)
    assert words in told
    assert told.startswith(("p.yaml:4: ", "p.yaml:3: 'prepare.areas' must"))
    assert "Traceback" not in told
    assert "pydantic" not in told


def test_a_hundred_thousand_points_are_refused_at_once() -> None:
    many = ", ".join(["[0, 0]"] * 100_000)
    assert "more than 200000 characters" in complaint(f"{{only: [[{many}]]}}")


def test_points_may_not_multiply_by_aliases() -> None:
    ten = ", ".join(["[0, 0]"] * 10)
    again = ", ".join(["*a"] * 1000)
    assert "more than 20000 values" in complaint(f"{{ignore: [&a [{ten}]], only: [{again}]}}")


numbers = (
    st.floats() | st.integers(-9, 9) | st.booleans() | st.none() | st.text("ab.1e", max_size=4)
)
nested = st.recursive(numbers, lambda inner: st.lists(inner, max_size=4), max_leaves=20)


@given(nested)
@settings(max_examples=150, deadline=None)
def test_anything_is_areas_or_a_complaint(value: object) -> None:
    shown = repr(value).replace("None", "null").replace("True", "true").replace("False", "false")
    try:
        areas = parse(f"{{only: {shown}}}").prepare.areas
    except SpecError as e:
        assert "prepare" in str(e) or "not valid YAML" in str(e)  # noqa: PT017
    else:
        assert all(0 <= at <= 1 for polygon in areas.only for point in polygon for at in point)
