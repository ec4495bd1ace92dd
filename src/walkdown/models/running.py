"""Starting and stopping a model whose service refuses what is so already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from walkdown.errors import ModelError
from walkdown.sdk.aws import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from walkdown.types import RunState, RunStatus


def turned(
    change: Callable[[], RunState],
    state: Callable[[], RunState],
    *,
    wanted: Collection[RunStatus],
    refusals: Collection[str],
    label: str,
) -> RunState:
    """The state after a change; where the service refuses it with one of these codes, as it is now.

    Raises `ModelError` where that is none of the wanted ones.
    """
    try:
        return change()
    except AwsError as e:
        if e.code not in refusals:
            raise
        now = state()
        if now.status not in wanted:
            raise ModelError(
                f"{label} is {now.status} (its service says {now.said}), and can't be started or "
                f"stopped now; see: walkdown models status {label} ({e})"
            ) from e
        return now
