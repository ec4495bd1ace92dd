"""Learn from normal photographs what is good enough to be inspected."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from walkdown.app.versions import LIVE, check_name
from walkdown.errors import ImageError, TrainingError
from walkdown.imaging.decode import decode
from walkdown.imaging.preparing import Preparation, prepared
from walkdown.imaging.quality import measured
from walkdown.models import artefact
from walkdown.models.image_quality import quality_artefact
from walkdown.models.quality_limits import FEWEST, Ranges, learned_limits
from walkdown.parallel import ordered_map
from walkdown.spec import DEFAULT_MAX_PIXELS, SourceSpec
from walkdown.types import ModelVersion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.app.context import App
    from walkdown.imaging.quality import Quality
    from walkdown.ports import Progress, Source
    from walkdown.types import ImageRef


@dataclass(frozen=True, slots=True)
class Learned:
    """What a learning ended with; ``left_out`` are (name, reason) of photographs not used."""

    version: ModelVersion
    limits: Ranges
    images: int
    left_out: tuple[tuple[str, str], ...]


def learn_quality(
    app: App,
    name: str,
    *,
    normal: Sequence[str],
    look_px: int = 1024,
    preparation: Preparation | None = None,
    progress: Progress,
) -> Learned:
    """Measure normal photographs, and make their limits the live version of ``name``.

    The same photographs give the same model, which is not numbered twice. ``preparation`` should be
    that of the pipeline it will stand in. Raises `TrainingError` where fewer than `FEWEST` of them
    can be measured.
    """
    check_name(name)
    source = app.sources(SourceSpec(paths=tuple(normal)))
    preparation = preparation or Preparation()
    measure = partial(_measured, source, look_px=look_px, preparation=preparation)
    refs = list(source.refs())
    progress.start("measuring photographs", len(refs))
    seen: list[Quality] = []
    left_out = [*source.left_out()]
    looked = ordered_map(lambda ref: (ref, measure(ref)), refs, workers=app.settings.workers)
    for ref, found in looked:
        progress.advance()
        if isinstance(found, str):
            left_out.append((ref.name, found))
        else:
            seen.append(found)
    if len(seen) < FEWEST:
        why = f"; {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
        raise TrainingError(
            f"{len(seen)} of {len(refs)} photographs can be measured; {FEWEST} or more are needed "
            f"to learn limits{why}"
        )
    limits = learned_limits(seen)
    packed = quality_artefact(limits, look_px=look_px, learned_from=len(seen))
    artefact.save(packed, app.blobs)
    version = app.versions.add(
        ModelVersion(
            name=name,
            version=0,
            digest=packed.digest,
            created_at=app.clock(),
            actor=app.settings.actor,
            aliases=(LIVE,),
            facts={"kind": packed.kind, "normal images": str(len(seen))},
        )
    )
    return Learned(version, limits, len(seen), tuple(left_out))


def _measured(
    source: Source, ref: ImageRef, *, look_px: int, preparation: Preparation
) -> Quality | str:
    """The quality of a photograph, or why it has none."""
    if ref.problem is not None:
        return ref.problem
    try:
        photo = decode(
            source.read(ref).data,
            name=ref.name,
            at_least_px=preparation.at_least_px(look_px),
            max_pixels=DEFAULT_MAX_PIXELS,
        )
        seen = prepared(photo, preparation).photo
    except ImageError as e:
        return str(e).removeprefix(f"{ref.name}: ")
    return measured(seen, longest_px=look_px) or "it is too small"
