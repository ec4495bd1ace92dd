"""A card that is wrong is an error that says which key, and what is allowed."""

from __future__ import annotations

import pytest
from pydantic import Field, model_validator

from walkdown.errors import ArtefactError
from walkdown.models.artefact import pack
from walkdown.models.cards import Card, read_card
from walkdown.models.rules import Rule


class Example(Card):
    """A card as a kind of model may have it."""

    endpoint: str = Field(min_length=1)
    at_once: int = Field(8, ge=1, le=64)
    rule: Rule | None = None

    @model_validator(mode="after")
    def _together(self) -> Example:
        if self.at_once == 13:
            raise ValueError("13 at once bring bad luck")
        return self


def read(card: dict[str, object], files: dict[str, bytes] | None = None) -> Example:
    return read_card(Example, pack("example", card, files or {}), label="cells@new")


def test_a_card_is_read_without_what_every_artefact_has() -> None:
    card = read({"endpoint": " a ", "rule": {"forbidden": "crack"}}, {"weights.bin": b"1"})
    assert (card.endpoint, card.at_once) == ("a", 8)
    assert card.rule is not None
    assert card.rule.forbidden[0].label == "crack"


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({}, "the card of cells@new: 'endpoint' is missing"),
        ({"endpoint": 3}, "'endpoint' must be text; put it in quotes (it is 3)"),
        ({"endpoint": "a", "at_one": 3}, "unknown key 'at_one'; did you mean 'at_once'?"),
        ({"endpoint": "a", "zzz": 3}, "unknown key 'zzz'; allowed here: at_once, endpoint, rule"),
        ({"endpoint": "a", "at_once": 65}, "'at_once' must be at most 64 (it is 65)"),
        ({"endpoint": "a", "at_once": "x"}, "'at_once' must be a whole number (it is 'x')"),
        ({"endpoint": "a", "rule": {}}, "'rule': needs at least one of 'required'"),
        ({"endpoint": "a", "rule": 3}, "'rule' must hold 'key: value' lines"),
        ({"endpoint": "a", "rule": {"forbiden": "a"}}, "did you mean 'forbidden'?"),
        (
            {"endpoint": "a", "rule": {"forbidden": [{"label": "a", "confidenc": 0.5}]}},
            "unknown key 'rule.forbidden[1].confidenc'; did you mean 'confidence'?",
        ),
        ({"endpoint": "a", "at_once": 13}, "the card of cells@new: 13 at once bring bad luck"),
    ],
)
def test_what_is_wrong_is_told_with_its_key(card: dict[str, object], words: str) -> None:
    with pytest.raises(ArtefactError) as e:
        read(card)
    assert words in str(e.value)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ArtefactError) as e:
        read({"at_once": 0, "colour": "red"})
    assert len(str(e.value).splitlines()) == 3


def test_a_card_does_not_change() -> None:
    card = read({"endpoint": "a"})
    with pytest.raises(ValueError, match="frozen"):
        card.at_once = 9  # type: ignore[misc]


def test_what_is_wrong_is_shown_without_secrets() -> None:
    with pytest.raises(ArtefactError) as e:
        read({"endpoint": "a", "at_once": "https://me:hush@example.com/?token=hush"})
    assert "'at_once' must be a whole number (it is 'https://example.com/" in str(e.value)
    assert "hush" not in str(e.value)
