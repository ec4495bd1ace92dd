"""The records of a workspace in one DynamoDB table, for any number of writers at once."""

from __future__ import annotations

import random as chance
import time
from typing import TYPE_CHECKING

from walkdown.stores.dynamodb_keys import Keys
from walkdown.stores.dynamodb_outbox import DynamoDbOutbox
from walkdown.stores.dynamodb_records import DynamoDbRecords
from walkdown.stores.dynamodb_setting import Sequence, Setting
from walkdown.stores.dynamodb_spending import DynamoDbSpending
from walkdown.stores.dynamodb_table import Table
from walkdown.stores.dynamodb_versions import DynamoDbVersions

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

CACHE_DAYS = 90
"""How long a prediction is remembered."""


class DynamoDbStore(DynamoDbRecords, DynamoDbOutbox, DynamoDbVersions, DynamoDbSpending):
    """All of one workspace (ports Records, Predictions, Outbox, Versions, Spending).

    ``client`` is boto3's for DynamoDB (``Aws.client("dynamodb")``), ``table`` the name of a table
    made from `dynamodb_keys.TABLE`. ``random`` gives 0..1, ``sleep`` waits between tries. One
    object may be used by any number of threads.
    """

    def __init__(
        self,
        client: object,
        table: str,
        *,
        workspace: str,
        clock: Callable[[], datetime],
        random: Callable[[], float] = chance.random,
        sleep: Callable[[float], None] = time.sleep,
        cache_days: int = CACHE_DAYS,
    ) -> None:
        setting = Setting(
            table=Table(client, table, random=random, sleep=sleep),
            keys=Keys(workspace),
            clock=clock,
            random=random,
            sequence=Sequence(clock),
            cache_days=cache_days,
        )
        super().__init__(setting)
