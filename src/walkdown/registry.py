"""Kinds of model by name: where their code is, ours and that of other packages.

A package adds a kind with an entry point in the group ``walkdown.models``, whose object is called
as ``kind(artefact, label=...)`` and returns something with the `Model` port. One with an attribute
``needs`` is also given, by keyword, what that names of `Offers`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

from walkdown.errors import MissingExtra, ModelError, NotFound, WalkdownError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from walkdown.models.artefact import Artefact
    from walkdown.ports import Model
    from walkdown.types import Photo

GROUP = "walkdown.models"

BUILT_IN: dict[str, tuple[str, str | None]] = {
    "memory_bank": ("walkdown.models.memory_bank:MemoryBank", None),
    "bedrock": ("walkdown.models.bedrock.model:Bedrock", "aws"),
    "http": ("walkdown.models.http.model:HttpModel", "http"),
    "fake": ("walkdown.models.fake:Fake", None),
    "fake_job": ("walkdown.models.fake_job:FakeJob", None),
}
"""Kind -> (dotted path of its class, the extra that it needs)."""


@dataclass(frozen=True, slots=True)
class Offers:
    """What a kind of model can ask for by its attribute ``needs``, such as ``needs = ("env",)``.

    ``env`` is the environment, for secrets that a card names; ``earlier`` finds the photograph of
    an asset's visit before the given one, from the same viewpoint, where there is one.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    earlier: Callable[[Photo], Photo | None] = lambda _: None


NOTHING: Final = Offers()


def open_model(artefact: Artefact, *, label: str, offers: Offers = NOTHING) -> Model:
    """The model that an artefact describes. Raises `NotFound` for a kind nobody provides.

    Raises `ModelError` where its code can't open it: a card without something that it needs, say.
    """
    make = _factory(artefact.kind)
    try:
        asked = {name: getattr(offers, name) for name in getattr(make, "needs", ())}
        model: Model = make(artefact, label=label, **asked)
    except WalkdownError:
        raise
    except Exception as e:  # a model may be anyone's code
        raise ModelError(
            f"{label} can't be opened as a model of kind {artefact.kind!r}: "
            f"{type(e).__name__}: {e}; see what its makers say of its card and files"
        ) from e
    return model


def _factory(kind: str) -> Any:
    if kind in BUILT_IN:
        path, extra = BUILT_IN[kind]
        module, _, name = path.partition(":")
        try:
            return getattr(import_module(module), name)
        except ImportError as e:
            if extra is None:
                raise
            raise MissingExtra(extra, f"a model of kind {kind!r}") from e
    found = {e.name: e for e in entry_points(group=GROUP)}
    if kind not in found:
        known = ", ".join(sorted({*BUILT_IN, *found}))
        raise NotFound(f"no installed package provides models of kind {kind!r}; known: {known}")
    try:
        return found[kind].load()
    except Exception as e:  # another package's import can fail in any way
        package = found[kind].dist
        raise ModelError(
            f"the package {package.name if package else found[kind].value!r} can't provide models "
            f"of kind {kind!r}: {e}; install it again or ask its makers"
        ) from e
