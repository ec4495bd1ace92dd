"""The folder that stands for the SDK in a function's runtime: links to these packages only."""

from __future__ import annotations

import importlib.util
from pathlib import Path

PACKAGES = (
    "awslambdaric",
    "boto3",
    "botocore",
    "dateutil",
    "jmespath",
    "runtime_client",
    "s3transfer",
    "simplejson",
    "six",
    "snapshot_restore_py",
    "urllib3",
)


def sdk_folder(folder: Path) -> Path:
    """Make the folder with links to the packages of this interpreter."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        target = folder / source.name
        if not target.exists():
            target.symlink_to(source)
    return folder
