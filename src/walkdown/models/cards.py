"""Cards of models that people write themselves: read into a checked value, or a clear error."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from walkdown.complaints import complaints
from walkdown.errors import ArtefactError

if TYPE_CHECKING:
    from walkdown.models.artefact import Artefact
    from walkdown.yaml_lines import At

_OURS = ("format", "kind", "files")


class Card(BaseModel):
    """What all cards have in common: unknown keys are errors, and nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


C = TypeVar("C", bound=Card)


def read_card(kind: type[C], artefact: Artefact, *, label: str) -> C:
    """The card of an artefact, without what every artefact has.

    Raises `ArtefactError` that says what is wrong with which key.
    """
    given = {key: value for key, value in artefact.card.items() if key not in _OURS}
    try:
        return kind.model_validate(given)
    except ValidationError as e:
        found = complaints(
            e, {}, f"the card of {label}", allowed=lambda at: _allowed(kind, at), patterns={}
        )
        raise ArtefactError("\n".join(found)) from e


def _allowed(kind: type[Card], at: At) -> frozenset[str]:
    """The keys of the card; below one, pydantic's own words have to do."""
    return frozenset() if at else frozenset(kind.model_fields)
