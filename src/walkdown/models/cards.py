"""Cards of models that people write themselves: read into a checked value, or a clear error."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from walkdown.complaints import complaints
from walkdown.errors import ArtefactError
from walkdown.sdk.aws import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from walkdown.models.artefact import Artefact
    from walkdown.yaml_lines import At

_OURS = ("format", "kind", "files")


class Card(BaseModel):
    """What all cards have in common: unknown keys are errors, and nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


C = TypeVar("C", bound=Card)


def read_card(kind: type[C], artefact: Artefact, *, label: str) -> C:
    """The card of an artefact, without what every artefact has.

    Raises `ArtefactError` that says what is wrong with which key, and shows no secret.
    """
    given = {key: value for key, value in artefact.card.items() if key not in _OURS}
    try:
        return kind.model_validate(given)
    except ValidationError as e:
        where = f"the card of {label}"
        found = complaints(e, {}, where, allowed=lambda at: _allowed(kind, at), patterns={})
        # What is wrong is repeated, and may be an address with a password or a key.
        whole = [shown(each.replace(f"{where}: the file: ", f"{where}: ", 1)) for each in found]
        raise ArtefactError("\n".join(whole)) from e


def _allowed(kind: type[BaseModel], at: At) -> frozenset[str]:
    """The keys that may stand at a place of the card."""
    kinds = {kind}
    for step in at:
        if isinstance(step, str):
            fields = [each.model_fields[step] for each in kinds if step in each.model_fields]
            kinds = {found for field in fields for found in _within(field.annotation)}
    return frozenset(name for each in kinds for name in each.model_fields)


def _within(annotation: object) -> Iterator[type[BaseModel]]:
    """The models that an annotation speaks of: those in ``tuple[Clause, ...] | None``, say."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _within(part)
