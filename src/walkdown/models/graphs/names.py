"""The labels of a graph's classes, and which of them are anomalies."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from walkdown.errors import ArtefactError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from walkdown.models.graphs.card import Classes

LABELS_FILE = "labels.txt"


def labels(
    listed: Sequence[str], files: Mapping[str, bytes], metadata: Mapping[str, str]
) -> tuple[str, ...]:
    """Those of the card, of the file ``labels.txt`` (one a line), or of the graph's own ``names``.

    Raises `ArtefactError` where there are none.
    """
    found = tuple(listed) or _of_file(files) or _of_graph(metadata)
    if not found:
        raise ArtefactError(
            "it has no labels: list them in its card, as labels: [...], or in a file labels.txt, "
            "one a line, in the order of the graph's classes"
        )
    return found


def odd(names: Sequence[str], card: Classes) -> tuple[int, ...]:
    """The numbers of the classes that are anomalies, by a card that lists them or all others."""
    listed = card.anomalies or card.normal
    unknown = [name for name in listed if name not in names]
    if unknown:
        raise ArtefactError(
            f"it has no label {unknown[0]!r}; its labels are {', '.join(names[:20])}"
        )
    if not listed and len(names) == 1:
        return (0,)
    if not listed:
        raise ArtefactError(
            "its card does not say which labels are 'anomalies', or else which are 'normal'; "
            f"they are {', '.join(names[:20])}"
        )
    is_odd = [(name in listed) == bool(card.anomalies) for name in names]
    if all(is_odd) and len(names) > 1 and not card.anomalies:
        raise ArtefactError("all of its labels are anomalies")
    if not any(is_odd):
        raise ArtefactError("all of its labels are normal: nothing could be an anomaly")
    return tuple(i for i, each in enumerate(is_odd) if each)


def _of_file(files: Mapping[str, bytes]) -> tuple[str, ...]:
    text = files.get(LABELS_FILE, b"").decode("utf-8-sig", "replace")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _of_graph(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Some exporters write ``names`` as a mapping from number to label, in Python's notation."""
    try:
        found = ast.literal_eval(metadata.get("names", "{}"))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    if isinstance(found, list | tuple):
        found = dict(enumerate(found))
    if not isinstance(found, dict):
        return ()
    named = {str(number): str(name) for number, name in found.items()}
    return tuple(named[str(i)] for i in range(len(named)) if str(i) in named)
