"""The commands about models: which there are, and whether one keeps to what every model must."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from walkdown.cli import models_running
from walkdown.cli.options import open_app, workspace_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.app.context import App
    from walkdown.types import ModelVersion, Photo


class _OrList(click.Group):
    """A group whose first word may also be the name of a model: then it lists that one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] in self.commands:
            return super().resolve_command(ctx, args)
        return "list", self.commands["list"], args

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Options alone are those of the list, but for a question about the group."""
        if args[:1] not in (["--help"], ["-h"]) and (not args or args[0].startswith("-")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_OrList)
def models() -> None:
    """List the models of the workspace, bring one in, check, start or stop one.

    \b
    Examples:
      walkdown models
      walkdown models cells
      walkdown models add sharp card.yaml
      walkdown models check cells
      walkdown models point cells@1 live
      walkdown models start parts
      walkdown models quality sharp --normal photos/normal
      walkdown models package cells --to model.tar.gz
    """


for _command in (models_running.start, models_running.stop, models_running.status):
    models.add_command(_command)


@models.command("list")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@workspace_option
def list_(name: str | None, as_json: bool) -> None:
    """List the models of the workspace and their versions.

    \b
    Examples:
      walkdown models
      walkdown models cells
    """
    from walkdown.app.versions import kind_of
    from walkdown.cli.output import echo_json, table
    from walkdown.errors import NotFound

    app = open_app()
    versions = app.versions.versions(name)
    if name and not versions:
        known = sorted({v.name for v in app.versions.versions()})
        raise NotFound(f"no model {name!r}; there are: {', '.join(known) or 'none yet'}")
    if as_json:
        for v in versions:
            echo_json({"model": v.label, "digest": v.digest, "aliases": list(v.aliases),
                       "created_at": v.created_at.isoformat(), "actor": v.actor,
                       "facts": dict(v.facts)})  # fmt: skip
    elif versions:
        rows = [
            (_label(v), kind_of(v), ", ".join(v.aliases) or "-",
             f"{v.created_at:%Y-%m-%d %H:%M} UTC", v.facts.get("normal images", "-"),
             v.facts.get("threshold", "-"), v.digest[:12])
            for v in versions
        ]  # fmt: skip
        table(rows, header=("model", "kind", "aliases", "made", "images", "threshold", "digest"))
    else:
        click.echo("no models yet; make one: walkdown train NAME --normal FOLDER")


def _label(version: ModelVersion) -> str:
    """What people call it; in a stack, also what its results call it, where that differs."""
    from walkdown.app.versions import DEPLOYED_AS

    told = version.facts.get(DEPLOYED_AS, version.label)
    return version.label if told == version.label else f"{version.label} (in results {told})"


@models.command("add")
@click.argument("name")
@click.argument("card", type=click.Path(path_type=Path, dir_okay=False))
@workspace_option
def add(name: str, card: Path) -> None:
    """Bring in a model of your own by its CARD, as the live version of NAME.

    The card is a YAML file: kind (which an installed package provides), files (paths from where the
    card lies), and whatever the model wants to know. See examples/sharpness.

    \b
    Example:
      walkdown models add sharp examples/sharpness/card.yaml
    """
    from walkdown.app.plugging import plug_in
    from walkdown.app.versions import LIVE, pointed

    app = open_app()
    before = pointed(app, name)
    version = plug_in(app, name, card)
    click.echo(f"{version.label}; check it: walkdown models check {version.label}")
    _moved(version, before, LIVE)


def _moved(version: ModelVersion, before: ModelVersion | None, alias: str) -> None:
    """Tell what an alias meant before, and how it means that again."""
    from walkdown.app.versions import kind_of

    if before is not None and before.version != version.version:
        click.echo(
            f"{version.label} is now {version.name}@{alias}; before it was {before.label} "
            f"({kind_of(before)}): walkdown models point {before.label} {alias} moves it back"
        )


@models.command("point")
@click.argument("name")
@click.argument("alias")
@workspace_option
def point_(name: str, alias: str) -> None:
    """Have an ALIAS such as live mean a version, NAME@2, from the next inspection on.

    \b
    Examples:
      walkdown models point cells@1 live
      walkdown models point cells@3 candidate
    """
    from walkdown.app.versions import point

    version, before = point(open_app(), name, alias)
    if before is None or before.version == version.version:
        click.echo(f"{version.label} is now {version.name}@{alias}")
    _moved(version, before, alias)


@models.command("quality")
@click.argument("name")
@click.option("--normal", multiple=True, required=True, metavar="PATH",
              help="Folder or file of good photographs; repeatable.")  # fmt: skip
@click.option("--look-px", type=click.IntRange(256, 8192), default=1024, show_default=True,
              help="The longer side at which photographs are measured.")  # fmt: skip
@click.option("--pipeline", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Prepare photographs as this pipeline does.")  # fmt: skip
@workspace_option
def quality(name: str, normal: tuple[str, ...], look_px: int, pipeline: Path | None) -> None:
    """Learn from good photographs when one is good enough to be inspected, as the model NAME.

    It stands before other models and calls a photograph unusable that is blurred, too dark, covered
    or in another light, and says what to do about it.

    \b
    Example:
      walkdown models quality usable --normal photos/normal
    """
    from walkdown.app.quality import learn_quality
    from walkdown.app.specs import preparation_of
    from walkdown.cli.output import shown, table
    from walkdown.cli.progress import progress

    app = open_app()
    with progress() as bar:
        learned = learn_quality(
            app,
            name,
            normal=normal,
            look_px=look_px,
            preparation=preparation_of(pipeline, app.open_step) if pipeline else None,
            progress=bar,
        )
    for file, reason in learned.left_out[:20]:
        click.echo(f"left out: {shown(file)}: {reason}", err=True)
    limits = learned.limits.model_dump().items()
    rows = [
        (measure, *("-" if end is None else f"{end:g}" for end in span))
        for measure, span in limits
        if span != (None, None)
    ]
    table(rows, header=("measure", "at least", "at most"))
    label = learned.version.label
    click.echo(f"{label} (now {name}@live), from {learned.images} photographs")


@models.command("package")
@click.argument("name")
@click.option(
    "--to",
    "path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The archive to write, such as model.tar.gz.",
)
@workspace_option
def package(name: str, path: Path) -> None:
    """Write a model as one archive, as a container of SageMaker takes it.

    The same model always makes the same bytes. See docs/models/sagemaker.md.

    \b
    Example:
      walkdown models package cells --to model.tar.gz
    """
    from walkdown.app.packaging import package as packaged

    version, data = packaged(open_app(), name)
    path.write_bytes(data)
    click.echo(f"{version.label} in {path}, {len(data):,} bytes")


@models.command("check")
@click.argument("name")
@click.argument("photographs", nargs=-1)
@workspace_option
def check(name: str, photographs: tuple[str, ...]) -> None:
    """Check that a model keeps to what every model must.

    It is asked about PHOTOGRAPHS (files or folders, the first five), or about made-up ones. Exit
    code 1 if it does not keep to something.

    \b
    Examples:
      walkdown models check cells
      walkdown models check cells@2 photos/new
    """
    from walkdown.app.versions import open_version, resolve
    from walkdown.models.conformance import examine

    app = open_app()
    version = resolve(app, name)
    model = open_version(app, version)
    broken = 0
    for found in examine(model, _photographs(app, photographs, model.info.input_px)):
        broken += found.why is not None
        mark = "ok " if found.why is None else "BAD"
        why = "" if found.why is None else f": {found.why}"
        click.echo(f"{mark} {found.check} ({found.seconds:.1f} s){why}")
    if broken:
        click.echo(f"{version.label} does not keep to {broken} of these")
        raise SystemExit(1)
    click.echo(f"{version.label} keeps to all of it")


def _photographs(app: App, paths: Sequence[str], input_px: int | None) -> list[Photo]:
    """Decoded as the model would have them; at least two."""
    from itertools import islice

    from walkdown.app.synthetic import photograph
    from walkdown.cli.output import shown
    from walkdown.errors import ImageError, NotFound
    from walkdown.imaging.decode import decode
    from walkdown.spec import DEFAULT_MAX_PIXELS, SourceSpec

    if not paths:
        return [
            decode(photograph(640, 480, seed=seed), name=f"made up {seed}",
                   at_least_px=input_px, max_pixels=DEFAULT_MAX_PIXELS)
            for seed in range(3)
        ]  # fmt: skip
    for path in paths:
        if "://" not in path and not Path(path).exists():
            raise NotFound(f"{shown(path)} does not exist")
    source = app.sources(SourceSpec(paths=tuple(paths)))
    found = [
        decode(source.read(ref).data, name=ref.name, at_least_px=input_px,
               max_pixels=DEFAULT_MAX_PIXELS)
        for ref in islice(source.refs(), 5)
    ]  # fmt: skip
    if len(found) < 2:
        raise ImageError("two photographs or more are needed to check a model")
    return found
