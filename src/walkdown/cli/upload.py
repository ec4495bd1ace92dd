"""The command `walkdown upload`: sends photographs to a stack, or prints where others may."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from walkdown.cli.output import echo_json, shown
from walkdown.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from walkdown.app.uploading import Sent
    from walkdown.runners.executions import Deployment
    from walkdown.stores.s3_upload import Hints

SHOWN = 10
FAILED = 4


def run_upload(
    stack: str,
    paths: tuple[str, ...],
    *,
    pipeline: str | None,
    prefix: str | None,
    hints: Hints,
    workers: int,
    as_json: bool,
) -> int:
    """Send them, print what became of them, and return 0 or `FAILED`."""
    from walkdown.app.uploading import upload
    from walkdown.runners.executions import route
    from walkdown.stores.folders import FolderSource
    from walkdown.stores.s3_upload import S3Uploads
    from walkdown.wiring_aws import aws, find_stack, workflows

    found = find_stack(stack)
    deployments = workflows(found).deployments()
    where = _prefix(deployments, pipeline, prefix)
    if route(where, deployments) is None:
        click.echo(f"note: no pipeline of {stack} takes what is below {where!r}", err=True)
    source = FolderSource(paths)
    uploads = S3Uploads(aws().client("s3"), found.source_bucket)
    counts: Counter[str] = Counter()
    size = 0
    with progress(quiet=as_json, in_bytes=True) as bar:
        for sent in upload(
            source, uploads, prefix=where, hints=hints, workers=workers, progress=bar
        ):
            counts[sent.status] += 1
            size += sent.size_bytes if sent.status == "sent" else 0
            _tell(sent, counts["failed"], as_json)
    _tell_left_out(source.left_out(), as_json)
    if not as_json:
        place = f"s3://{found.source_bucket}/{where}"
        click.echo(f"{_sum(counts, size)}; {place}")
        if counts["sent"]:
            click.echo(f"look at what comes of them: walkdown results --workspace aws://{stack}")
    return FAILED if counts["failed"] else 0


def _prefix(deployments: Sequence[Deployment], pipeline: str | None, prefix: str | None) -> str:
    if pipeline is not None and prefix is not None:
        raise click.UsageError("give either --pipeline NAME or --prefix KEY")
    if prefix is not None:
        return prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
    return _deployment(deployments, pipeline).prefix


def _deployment(deployments: Sequence[Deployment], name: str | None) -> Deployment:
    from walkdown.errors import NotFound

    fitting = [each for each in deployments if name in (None, each.name)]
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(each.name for each in deployments) or "none yet"
    if name is None and fitting:
        raise click.UsageError(f"say for which pipeline, with --pipeline NAME; there are: {known}")
    raise NotFound(f"the stack has no pipeline {name or ''!r}; there are: {known}")


def _tell(sent: Sent, failed: int, as_json: bool) -> None:
    if as_json:
        told = {"image": sent.name, "status": sent.status, "size_bytes": sent.size_bytes}
        echo_json(told | {"error": sent.error})
    elif sent.error and failed <= SHOWN:
        click.echo(f"not sent: {shown(sent.name)}: {sent.error}", err=True)


def _tell_left_out(left_out: Sequence[tuple[str, str]], as_json: bool) -> None:
    if as_json:
        for name, why in left_out:
            echo_json({"image": name, "status": "left out", "size_bytes": 0, "error": why})
        return
    for name, why in left_out[:SHOWN]:
        click.echo(f"left out: {shown(name)}: {why}", err=True)
    if len(left_out) > SHOWN:
        click.echo(f"left out: {len(left_out) - SHOWN} more", err=True)


def _sum(counts: Counter[str], size: int) -> str:
    parts = [f"{counts['sent']} sent ({size / 1e6:.1f} MB)"]
    parts += [f"{counts['there']} there already"] if counts["there"] else []
    parts += [f"{counts['failed']} not sent"] if counts["failed"] else []
    return ", ".join(parts)


def run_presign(
    stack: str, name: str, *, pipeline: str | None, hints: Hints, as_json: bool
) -> None:
    """Print an address for one photograph, and the command that sends it there."""
    from walkdown.wiring_aws import find_stack, workflows

    deployment = _deployment(workflows(find_stack(stack)).deployments(), pipeline)
    asked = {
        "pipeline": deployment.name,
        "name": name,
        "asset": hints.asset,
        "viewpoint": hints.viewpoint,
        "taken_at": hints.taken_at and hints.taken_at.isoformat(),
    }
    told = _asked(stack, {key: value for key, value in asked.items() if value})
    if as_json:
        echo_json(told)
        return
    headers = [word for pair in told["headers"].items() for word in ("-H", ": ".join(pair))]
    click.echo(told["url"])
    click.echo(f"\nuntil {told['expires_at']}, for one photograph:")
    click.echo(shlex.join(["curl", "--fail", "--upload-file", name, *headers, told["url"]]))


def _asked(stack: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """What the function `presign` answers. Raises `SpecError` with its words."""
    from walkdown.aws.stacks import Stacks
    from walkdown.errors import SpecError, StoreError
    from walkdown.sdk.aws import explained
    from walkdown.wiring_aws import aws

    found = Stacks(aws()).find(stack) or {}
    names = {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}
    with explained("ask for an address"):
        answer = (
            aws()
            .client("lambda")
            .invoke(FunctionName=names["PresignFunctionName"], Payload=json.dumps(event).encode())
        )
        told: dict[str, Any] = json.loads(answer["Payload"].read())
    if answer.get("FunctionError"):
        raise StoreError(
            f"the function presign broke: {told.get('errorMessage')}; "
            f"see why: walkdown logs --stack {stack} --function presign"
        )
    if "error" in told:
        raise SpecError(str(told["error"]))
    return told
