"""One group of entries, decided on and written in one transaction, whatever happens to the answer.

Read what is known, decide, write under the condition that nothing changed since; where something
did, DynamoDB cancels the whole transaction and it begins again. An answer that was lost on its way
is no failure: each try leaves a token in its message to the lake, by which it is found again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from walkdown.errors import StoreError
from walkdown.sdk.aws import AwsError
from walkdown.stores.dynamodb_table import worth_repeating
from walkdown.stores.dynamodb_values import number, text
from walkdown.stores.dynamodb_writing import Stamp, transaction
from walkdown.stores.recording import Known, decide
from walkdown.types import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from walkdown.stores.dynamodb_setting import Setting
    from walkdown.stores.dynamodb_table import Patience
    from walkdown.stores.dynamodb_values import Item
    from walkdown.stores.dynamodb_writing import Draft
    from walkdown.stores.recording import Decision


@dataclass(frozen=True, slots=True)
class _Tries:
    """What this call has tried so far, by batch id, and how long it goes on trying."""

    token: str
    patience: Patience
    decided: dict[str, Decision] = field(default_factory=dict)


def commit(setting: Setting, group: Sequence[Draft]) -> Decision:
    """The decision that is now written. Raises `StoreError`; nothing of the group is written then,
    or it is written whole and found as such when it is recorded again.
    """
    tries = _Tries(setting.token(), setting.table.patience())
    while True:
        decision = _tried(setting, group, tries)
        if decision:
            return decision


def _tried(setting: Setting, group: Sequence[Draft], tries: _Tries) -> Decision | None:
    known, told = _known(setting, group)
    # After reading: a try that lands later than this fails the conditions of the next one.
    landed = _landed(setting, tries)
    if landed:
        return landed
    decision = decide([each.entry for each in group], known)
    if decision.batch_id is None:
        return decision
    tries.decided[decision.batch_id] = decision
    stamp = Stamp(tries.token, setting.clock(), decision.batch_id, setting.sequence)
    written = _written(group, decision)
    try:
        setting.table.transact(
            transaction(setting.keys, written, known=known, told=told, stamp=stamp)
        )
    except AwsError as error:
        if not worth_repeating(error):
            raise
        if not tries.patience.again():
            raise _given_up(setting, error) from error
        return None
    return decision


def _known(setting: Setting, group: Sequence[Draft]) -> tuple[Known, frozenset[str]]:
    """What the table holds of the group's results and findings, and which messages."""
    keys = setting.keys
    results = {keys.result(each.entry.result.key.id): each.entry.result.key.id for each in group}
    findings = {
        keys.finding(finding.id): finding.id for each in group for finding, _ in each.findings
    }
    messages = {
        keys.message(message_id): message_id for each in group for message_id in each.messages
    }
    found = setting.table.get(
        [*results, *findings, *messages], attributes=("status", "attempt", "revision")
    )
    known = Known(
        results={results[at]: _state(item) for at, item in found.items() if at in results},
        revisions={
            findings[at]: number(item, "revision") for at, item in found.items() if at in findings
        },
    )
    return known, frozenset(messages[at] for at in found if at in messages)


def _landed(setting: Setting, tries: _Tries) -> Decision | None:
    """The try that was written although its answer did not say so."""
    keys = {setting.keys.message(batch_id): batch_id for batch_id in tries.decided}
    found = setting.table.get(keys, attributes=("token",))
    ours = (keys[at] for at, item in found.items() if item.get("token") == tries.token)
    batch_id = next(ours, None)
    return None if batch_id is None else tries.decided[batch_id]


def _written(group: Sequence[Draft], decision: Decision) -> list[tuple[Draft, int]]:
    drafts = [
        each for each, outcome in zip(group, decision.outcomes, strict=True) if outcome == "written"
    ]
    attempts = [attempt for _, attempt in decision.written]
    return list(zip(drafts, attempts, strict=True))


def _state(item: Item) -> tuple[Status, int]:
    status = text(item, "status")
    try:
        return Status(status), number(item, "attempt")
    except ValueError as error:
        raise StoreError(f"a stored result is damaged: its 'status' is {status!r:.40}") from error


def _given_up(setting: Setting, error: AwsError) -> StoreError:
    if error.code != "TransactionCanceledException":
        return error
    return StoreError(
        f"the DynamoDB table {setting.table.name} is being written to by too many at once, so that "
        "results could not be recorded; run the same again, what was recorded before is safe"
    )
