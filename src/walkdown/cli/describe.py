"""One result, in lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walkdown.cli.output import dollars, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from walkdown.types import Nearest, Region, Result, StageResult


def describe(result: Result, locate: Callable[[str], str]) -> Iterator[str]:
    """All that is known of a result. ``locate`` tells where a stored file lies."""
    yield shown(result.image)
    verdict = result.verdict.value if result.verdict else result.status.value
    score = f", score {result.score:.4f}" if result.score is not None else ""
    model = f" by {result.model}" if result.model else ""
    yield f"  {verdict}{score}{model}"
    if result.severity:
        yield f"  severity  {result.severity.value}"
    if result.error:
        yield f"  error     {shown(result.error)}"
    if result.asset:
        yield f"  asset     {result.asset} {result.viewpoint or ''}".rstrip()
    if result.width_px:
        yield f"  size      {result.width_px} x {result.height_px} px"
    yield from _camera(result)
    yield f"  sha256    {result.content or '-'}"
    yield f"  recorded  {result.recorded_at:%Y-%m-%d %H:%M:%S} UTC by {result.actor}"
    for stage in result.stages:
        yield from _stage(stage, locate)


def _camera(result: Result) -> Iterator[str]:
    exif = result.exif
    if exif.taken_at:
        yield f"  taken     {exif.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    if exif.camera:
        yield f"  camera    {shown(exif.camera)}"
    if exif.latitude_deg is not None and exif.longitude_deg is not None:
        yield f"  position  {exif.latitude_deg:.6f}, {exif.longitude_deg:.6f}"


def _stage(stage: StageResult, locate: Callable[[str], str]) -> Iterator[str]:
    p = stage.prediction
    if p.error:
        yield f"  stage {stage.stage} ({stage.model}): failed: {shown(p.error)}"
        if p.cost_usd:
            yield f"    cost {dollars(p.cost_usd)}"
        return
    numbers = [f"score {p.score:.4f}"] if p.score is not None else []
    numbers += [f"raw {p.raw_score:.4f}"] if p.raw_score is not None else []
    numbers += [f"p_normal {p.p_normal:.3f}"] if p.p_normal is not None else []
    verdict = p.verdict.value if p.verdict else "-"
    yield f"  stage {stage.stage} ({stage.model}): {', '.join([verdict, *numbers])}"
    if p.note:
        yield f"    says: {shown(' '.join(p.note.split()))}"
    if p.cost_usd is not None:
        yield f"    cost {dollars(p.cost_usd)}"
    for region in p.regions:
        yield f"    {_region(region)}"
        if region.nearest:
            yield f"      nearest normal: {_nearest(region.nearest)}"
    if stage.heatmap:
        yield f"    heat map {locate(stage.heatmap)}"


def _region(region: Region) -> str:
    x, y, width, height = region.box
    return (
        f"{shown(region.label)} at x {x}, y {y}, {width} x {height} px, "
        f"{region.area_pct:.2f} % of the image, score {region.score:.3f}"
    )


def _nearest(nearest: Nearest) -> str:
    x, y, width, height = nearest.box
    return f"{shown(nearest.image)} at x {x}, y {y}, {width} x {height} px"
