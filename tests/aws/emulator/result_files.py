"""The result files of a map run: a manifest, and the records of the children by status.

`manifest.json` names `SUCCEEDED_n.json` and `FAILED_n.json`, each an array of execution records; a
file is closed at 5 MiB.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from tests.aws.emulator.map_runs import Child

FILE_BYTES = 5 * 1024 * 1024


def write_results(
    client: Any, bucket: str, prefix: str, record: Any, children: Sequence[Child]
) -> dict[str, Any]:
    """Write them below PREFIX/RUN/; what the state's output then is."""
    base = f"{prefix.rstrip('/')}/" if prefix else ""
    base += record.map_run_arn.split(":")[-1]
    files: dict[str, list[dict[str, Any]]] = {"FAILED": [], "PENDING": [], "SUCCEEDED": []}
    for status in ("FAILED", "SUCCEEDED"):
        records = (_record(each) for each in children if _file_of(each) == status)
        for number, body in enumerate(_files(records)):
            key = f"{base}/{status}_{number}.json"
            client.put_object(Bucket=bucket, Key=key, Body=body)
            files[status].append({"Key": key, "Size": len(body)})
    manifest = {
        "DestinationBucket": bucket,
        "MapRunArn": record.map_run_arn,
        "ResultFiles": files,
    }
    client.put_object(
        Bucket=bucket, Key=f"{base}/manifest.json", Body=json.dumps(manifest).encode()
    )
    details = {"Bucket": bucket, "Key": f"{base}/manifest.json"}
    return {"MapRunArn": record.map_run_arn, "ResultWriterDetails": details}


def _file_of(child: Child) -> str:
    return "SUCCEEDED" if child.status == "SUCCEEDED" else "FAILED"


def _files(records: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    held: list[str] = []
    size = 0
    for record in records:
        text = json.dumps(record)
        if held and size + len(text) > FILE_BYTES:
            yield f"[{','.join(held)}]".encode()
            held, size = [], 0
        held.append(text)
        size += len(text) + 1
    if held:
        yield f"[{','.join(held)}]".encode()


def _record(child: Child) -> dict[str, Any]:
    told: dict[str, Any] = {
        "ExecutionArn": child.arn,
        "Input": json.dumps(child.given.value, separators=(",", ":")),
        "InputDetails": {"Included": True},
        "Name": child.name,
        "RedriveCount": 0,
        "StartDate": _iso(child.started),
        "StateMachineArn": child.machine_arn,
        "Status": child.status,
        "StopDate": _iso(child.stopped),
    }
    if child.status == "SUCCEEDED":
        told["Output"] = json.dumps(child.output, separators=(",", ":"))
        told["OutputDetails"] = {"Included": True}
        told["RedriveStatus"] = "NOT_REDRIVABLE"
        return told
    told |= {"Error": child.error or "", "Cause": child.cause or ""}
    return told | {"RedriveStatus": "REDRIVABLE_BY_MAP_RUN"}


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
