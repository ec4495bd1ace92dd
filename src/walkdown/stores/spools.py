"""Captures in a file on this machine, so that a million of them can be walked more than once."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from walkdown.stores.manifests import ref_from_json, ref_to_json, to_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from walkdown.types import ImageRef


class Spool:
    """Walk it as often as you like; the file goes when the ``with`` ends. Captures in S3 only."""

    def __init__(self, refs: Iterable[ImageRef]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="walkdown-")
        self._path = Path(self._folder.name) / "captures.jsonl"
        self.count = 0
        try:
            with self._path.open("w", encoding="utf-8") as file:
                for ref in refs:
                    file.write(to_line(ref_to_json(ref)) + "\n")
                    self.count += 1
        except BaseException:
            self._folder.cleanup()
            raise

    def __iter__(self) -> Iterator[ImageRef]:
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                yield ref_from_json(json.loads(line))

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.cleanup()
