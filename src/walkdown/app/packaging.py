"""A model as one archive, to be carried elsewhere: a container for SageMaker unpacks it."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

from walkdown.app.versions import resolve
from walkdown.models import artefact

if TYPE_CHECKING:
    from walkdown.app.context import App
    from walkdown.models.artefact import Artefact
    from walkdown.types import ModelVersion

_FOR_ALL_TO_READ = 0o644


def package(app: App, name: str) -> tuple[ModelVersion, bytes]:
    """The version that ``name`` means, and its files as the bytes of a ``.tar.gz``.

    Raises `NotFound` for a model that is not there.
    """
    version = resolve(app, name)
    return version, archive(artefact.load(version.digest, app.blobs))


def archive(packed: Artefact) -> bytes:
    """The folder of an artefact: the same model always makes the same bytes.

    Members are plain files at the top, whose names an artefact has checked.
    """
    out = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=out, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, data in sorted(artefact.contents(packed).items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), _FOR_ALL_TO_READ
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()
