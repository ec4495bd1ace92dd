"""From what a user named (a model, a pipeline file, paths) to one checked specification."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from walkdown.app.preparations import open_preparation, placed
from walkdown.errors import SpecError
from walkdown.spec import MODEL, PipelineSpec, SourceSpec, load_pipeline, one_stage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from walkdown.app.preparations import OpenStep
    from walkdown.imaging.preparing import Preparation


def pipeline_of(
    *,
    model: str | None,
    file: Path | None,
    paths: Sequence[str] = (),
    max_pixels: int | None = None,
) -> PipelineSpec:
    """The pipeline to run; arguments win over the file. Raises `SpecError`."""
    spec = _from_file(file) if file is not None else one_stage(_checked(model or ""))
    if paths:
        old = spec.source
        source = SourceSpec(
            paths=tuple(paths),
            include=old.include if old else (),
            exclude=old.exclude if old else (),
        )
        spec = spec.model_copy(update={"source": source})
    elif spec.source is not None and file is not None:
        # Paths in a file are meant from where the file lies, not from where the command is run.
        below = tuple(str(file.parent / path) for path in spec.source.paths)
        spec = spec.model_copy(update={"source": spec.source.model_copy(update={"paths": below})})
    if max_pixels is not None:
        prepare = spec.prepare.model_copy(update={"max_pixels": max_pixels})
        spec = spec.model_copy(update={"prepare": prepare})
    return spec


def preparation_of(file: Path, open_step: OpenStep) -> Preparation:
    """What a pipeline file does to photographs before models see them, for a training alike.

    Raises `SpecError` as `pipeline_of` does, and for images of the section that can't be used.
    """
    return open_preparation(_from_file(file).prepare, open_step=open_step)


def _from_file(file: Path) -> PipelineSpec:
    spec = load_pipeline(file)
    return spec.model_copy(update={"prepare": placed(spec.prepare, file.parent)})


def _checked(model: str) -> str:
    if not re.fullmatch(MODEL, model):
        raise SpecError(f"{model!r} names no model: write name, name@alias or name@3")
    return model
