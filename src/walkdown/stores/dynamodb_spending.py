"""The port Spending over DynamoDB: a month's sum, and an item for each inspection that took of it.

Both are written in one transaction under the sum's revision: two that ask at once never both get
the last of a budget, and who asks twice takes once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from walkdown.sdk.aws import AwsError
from walkdown.stores.dynamodb_keys import TTL
from walkdown.stores.dynamodb_table import Put, worth_repeating
from walkdown.stores.dynamodb_values import number

if TYPE_CHECKING:
    from walkdown.stores.dynamodb_setting import Setting
    from walkdown.stores.dynamodb_values import Item

KEPT_DAYS = 70
"""How long it is known who took what: beyond the end of any month that it may have begun in."""
_DAY_S = 86_400


class DynamoDbSpending:
    """What pipelines have taken of their months' budgets, in millionths of a US dollar."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._table = setting.table
        self._keys = setting.keys

    def reserve(
        self, pipeline: str, month: str, inspection_id: str, *, amount: int, limit: int
    ) -> bool:
        """Take an amount, once for each inspection; False, and nothing taken, beyond the limit."""
        total = self._keys.spent(pipeline, month)
        own = self._keys.taken(pipeline, inspection_id)
        patience = self._table.patience()
        while True:
            found = self._table.get([total, own])
            if own in found:
                return True
            spent = _sum(found.get(total))
            if spent + amount > limit:
                return False
            revision = number(found[total], "revision") if total in found else 0
            expires = int(self._setting.clock().timestamp()) + KEPT_DAYS * _DAY_S
            puts = [
                Put({"pk": own[0], "sk": own[1], "millionths": amount, TTL: expires}, "new"),
                Put(
                    {
                        "pk": total[0],
                        "sk": total[1],
                        "millionths": spent + amount,
                        "revision": revision + 1,
                    },
                    ("revision", revision) if revision else "new",
                ),
            ]
            try:
                self._table.transact(puts)
            except AwsError as error:
                if not worth_repeating(error) or not patience.again():
                    raise
            else:
                return True

    def spent(self, pipeline: str, month: str) -> int:
        """What was taken of that month."""
        key = self._keys.spent(pipeline, month)
        return _sum(self._table.get([key]).get(key))


def _sum(item: Item | None) -> int:
    return number(item, "millionths") if item else 0
