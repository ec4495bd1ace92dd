"""What images cost on AWS: every request that the workflow makes for them, counted. Pure.

The order is that of the work: arrival, each stage, recording, what an inspection needs as a whole,
delivery. Where a request depends on what was measured, that is in `Measured`; how often functions
are called, in `Load`. Failures and repetitions are not counted: a batch that breaks costs again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from walkdown.app.measured import Stored
from walkdown.aws.bill import Bill, Counter, Line
from walkdown.aws.load import Pace, load_of, processor
from walkdown.pipeline.notices import STORM

if TYPE_CHECKING:
    from walkdown.app.measured import Measured
    from walkdown.aws.load import Case, Load, StageLoad, Standing
    from walkdown.aws.prices import Prices
    from walkdown.aws.transitions import Transitions
    from walkdown.runners.stepfunctions import Shape

GIB: Final = 2**30
WRITE_BYTES, READ_BYTES = 1024, 4096
"""What one unit writes and reads: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html"""

IN_TRANSACTION: Final = 2
"""A write in a transaction is made twice; its entries in indexes, made afterwards, are taken to
cost one each."""

CHANNELS: Final = 2
"""Copies of an alert: `aws.environment.CHANNELS`."""

MOST_ITEMS: Final = 99
LOG_BYTES: Final = 1200
"""What one call writes into its log."""

TABLE_AT_ONCE: Final = 25
READ_AT_ONCE: Final = 100
QUEUE_AT_ONCE: Final = 10

MONTH_MINUTES: Final = 43_800
POLLERS: Final = 5
"""Connections that AWS holds to an idle queue, each asking three times a minute."""

METRICS: Final = 27
"""Figures of the functions' log lines that CloudWatch keeps as metrics (`aws.handlers`)."""

ATHENA_LEAST_BYTES: Final = 10_000_000
ITEM_BYTES, ENTRY_BYTES = 100, 300
"""What DynamoDB stores for an item besides it, and for an entry in an index."""


def bill_of(
    measured: Measured,
    *,
    moves: Transitions,
    shape: Shape,
    standing: Standing,
    case: Case,
    prices: Prices,
    pace: Pace | None = None,
    cores: int = 1,
) -> Bill:
    """The bill of a case. ``cores`` are this machine's, for its hours."""
    load = load_of(measured, shape, case)
    count = _Count(measured, load, moves, standing, pace or Pace(), Counter(prices))
    count.arrival()
    for each in load.stages:
        count.stage(each)
    count.recording()
    count.inspections()
    count.delivery()
    return Bill(
        images=case.images,
        region=prices.region,
        as_of=prices.as_of,
        lines=tuple(count.to.lines),
        monthly=_monthly(count, case, prices),
        storage=_storage(measured, case, prices),
        hours=count.hours(shape),
        laptop_hours=measured.seconds * case.images / cores / 3600,
    )


def write_units(item: Stored, *, transaction: bool = False) -> int:
    """Write units of one item with its entries in indexes."""
    units = math.ceil(item.bytes / WRITE_BYTES) * (IN_TRANSACTION if transaction else 1)
    return units + item.indexes


def read_units(item: Stored) -> int:
    """Read units of one item, read consistently; one that is missing costs one, too."""
    return max(1, math.ceil(item.bytes / READ_BYTES))


@dataclass(frozen=True, slots=True)
class _Count:
    measured: Measured
    load: Load
    moves: Transitions
    standing: Standing
    pace: Pace
    to: Counter

    @property
    def found(self) -> float:
        """Images with a finding; each is taken to be new, so that people are told."""
        return self.load.case.images * self.measured.found_share

    def arrival(self) -> None:
        """Uploaded, told to the queue, taken from it; moved to cheaper storage later."""
        images = self.load.case.images
        asked = 2 * images / QUEUE_AT_ONCE
        self.to.add("arrive", "s3.usd_per_thousand_puts_and_lists", "uploads", images)
        self.to.add("arrive", "eventbridge.usd_per_million_events", "events", images)
        self.to.add("arrive", "sqs.usd_per_million_requests", "messages", images + asked)
        if self.load.case.tiering:
            tiering = "s3.usd_per_thousand_transitions_to_tiering"
            self.to.add("keep", tiering, "moves to Intelligent-Tiering", images)

    def stage(self, each: StageLoad) -> None:
        """Read, look, store heat maps and the batch's part."""
        name, images, batches = each.stage.name, each.images, each.batches
        earlier = self._parts_read(each)
        models = each.cold * (2 + each.stage.model_files)
        maps = images if each.stage.heatmap_bytes else 0
        self._call(name, "Look", batches, self.look_seconds(each))
        self.to.add(name, "s3.usd_per_thousand_gets", "photographs", images)
        self.to.add(name, "s3.usd_per_thousand_gets", "models and parts", models + earlier)
        self.to.add(name, "s3.usd_per_thousand_puts_and_lists", "heat maps", maps)
        waits = sum(later.waits for later in self._after(each))
        self.to.add(name, "s3.usd_per_thousand_puts_and_lists", "parts", batches + waits)
        asked = images * len(self.load.stages)
        self.to.add(name, "dynamodb.usd_per_million_read_units", "remembered?", asked)
        moved = batches * self.moves.batch[name]
        self.to.add(name, "stepfunctions.usd_per_thousand_transitions", "batches", moved)
        if each.stage.usd_per_look:
            looks = Line(name, "model's service", "looks", images, "look", each.stage.usd_per_look)
            self.to.lines.append(looks)
        self._key(name, images + maps + models + earlier + batches + waits)

    def recording(self) -> None:
        """Results, members, findings and messages, each batch in a transaction."""
        images, batches = self.load.case.images, self.load.batches
        seen = self.measured
        told = 1 + CHANNELS
        written = (
            images * (write_units(seen.result, transaction=True) + write_units(seen.member))
            + sum(s.images for s in self.load.stages) * write_units(seen.prediction)
            + self.found * write_units(seen.finding, transaction=True)
            + self.found * CHANNELS * write_units(seen.alert, transaction=True)
            + self.lake_batches * write_units(self._lake_message, transaction=True)
        )
        read = images * read_units(seen.result) + self.found * (1 + told)
        self._call("record", "Record", batches, self._record_seconds())
        self.to.add("record", "s3.usd_per_thousand_gets", "parts", batches + self._cold)
        self.to.add("record", "s3.usd_per_thousand_puts_and_lists", "receipts", batches)
        self.to.add("record", "dynamodb.usd_per_million_write_units", "results", written)
        self.to.add("record", "dynamodb.usd_per_million_read_units", "known?", read)
        self._key("record", batches)

    def inspections(self) -> None:
        """Begin, choose between stages, finish; once for each inspection."""
        part, times, images = "inspection", self.load.inspections, self.load.case.images
        later = self.load.stages[1:]
        waits = sum(each.waits for each in later)
        self._call(part, "Intake", times, self._intake_seconds())
        self._call(part, "Choose", times * len(later), self._choose_seconds(waits))
        self._call(part, "Finish", times, self._finish_seconds())
        maps = len(self.load.stages)
        # Manifest, receipt and note to begin with; each map's results; each choice, from what waits
        # and what was given up on; a list to end.
        puts = times * (3 + 2 * maps + 3 * len(later) + 1)
        # Begun already? its plan; each map's manifest; the note and all receipts to end.
        gets = times * (2 + maps + 2) + self.load.batches + waits
        self.to.add(part, "s3.usd_per_thousand_puts_and_lists", "manifests, lists", puts)
        self.to.add(part, "s3.usd_per_thousand_gets", "manifests, receipts", gets)
        self.to.add(part, "dynamodb.usd_per_million_write_units", "inspections", 2 * times)
        self.to.add(part, "dynamodb.usd_per_million_read_units", "known?", images)
        moved = times * self.moves.execution
        self.to.add(part, "stepfunctions.usd_per_thousand_transitions", "workflows", moved)

    def delivery(self) -> None:
        """Batches into the lake, alerts to people."""
        part, batches, alerts = "deliver", self.lake_batches, self.found * CHANNELS
        # A settled message is written again, and leaves its index.
        settled = batches * write_units(self._lake_message)
        settled += alerts * write_units(self.measured.alert)
        read = self.load.case.images * read_units(self.measured.result) + 3 * batches + alerts
        notices = min(self.found, self.load.inspections * STORM)
        self._call(part, "Deliver", self.load.inspections, self._deliver_seconds(alerts))
        self.to.add(part, "s3.usd_per_thousand_puts_and_lists", "the lake", 2 * batches)
        self.to.add(part, "s3.usd_per_thousand_gets", "the lake", batches)
        self.to.add(part, "dynamodb.usd_per_million_write_units", "settled", settled)
        self.to.add(part, "dynamodb.usd_per_million_read_units", "results", read)
        self.to.add(part, "sns.usd_per_million_publishes", "notices", notices)
        mails = notices * self.load.case.mails
        self.to.add(part, "sns.usd_per_hundred_thousand_mails", "e-mails", mails)
        self.to.add(part, "eventbridge.usd_per_million_events", "findings", self.found)

    def look_seconds(self, each: StageLoad) -> float:
        """Billed seconds of the function that looks, with what it waits for."""
        pace, stage = self.pace, each.stage
        cpu = processor(self.standing.memory_mb["Look"]) / self.load.case.slower
        image = (
            stage.seconds / cpu
            + stage.waits_seconds
            + pace.get_s
            + self.measured.image_bytes / pace.bytes_per_s
            + (pace.put_s if stage.heatmap_bytes else 0.0)
            + pace.table_s
        )
        boot = (pace.boot_s + stage.open_seconds) / cpu + (2 + stage.model_files) * pace.get_s
        parts = self._parts_read(each) * pace.get_s + each.batches * 2 * pace.put_s
        return each.images * image + each.cold * boot + parts

    def hours(self, shape: Shape) -> float:
        """One inspection after another, its batches at once as far as they may."""
        seconds = 0.0
        for each in self.load.stages:
            at_once = min(shape.concurrency, max(1.0, each.batches / self.load.inspections))
            seconds += self.look_seconds(each) / at_once
        return seconds / 3600

    @property
    def lake_batches(self) -> float:
        """Transactions, each of which is a batch of the lake."""
        items = self.load.case.images + self.found * (1 + CHANNELS)
        return max(float(self.load.batches), items / MOST_ITEMS)

    @property
    def _lake_message(self) -> Stored:
        ids = self.load.case.images / max(1.0, self.lake_batches)
        return Stored(300 + math.ceil(20 * ids), 1)

    @property
    def _cold(self) -> int:
        return sum(each.cold for each in self.load.stages)

    def _after(self, each: StageLoad) -> tuple[StageLoad, ...]:
        at = self.load.stages.index(each)
        return self.load.stages[at + 1 : at + 2]

    def _parts_read(self, each: StageLoad) -> float:
        """Of a later stage: each batch reads the parts that its images come from."""
        at = self.load.stages.index(each)
        if not at:
            return 0.0
        before = self.load.stages[at - 1].batches / self.load.inspections
        return each.batches * min(each.per_batch, before)

    def _call(self, part: str, function: str, calls: float, seconds: float) -> None:
        memory = self.standing.memory_mb[function]
        self.to.add(
            part, "lambda.usd_per_million_gb_seconds", function.lower(), seconds * memory / 1024
        )
        self.to.add(part, "lambda.usd_per_million_requests", function.lower(), calls)
        if function == "Look":
            disk = seconds * max(0, self.standing.disk_mb - 512) / 1024
            self.to.add(part, "lambda.usd_per_million_gb_seconds_of_disk", "disk", disk)
        self.to.add(part, "cloudwatch.usd_per_gb_of_logs", "logs", calls * LOG_BYTES / GIB)

    def _key(self, part: str, requests: float) -> None:
        """A bucket key stands for about a hundred requests of S3."""
        if self.load.case.own_key:
            self.to.add(part, "kms.usd_per_ten_thousand_requests", "keys", requests / 100)

    def _small(self, function: str, work_s: float, cold: float) -> float:
        """Seconds of a small function for so much work of one core and so many first calls."""
        cpu = processor(self.standing.memory_mb[function]) / self.load.case.slower
        # AWS gives a whole processor while a function starts.
        return work_s / cpu + cold * self.pace.small_boot_s * self.load.case.slower

    def _record_seconds(self) -> float:
        pace, images = self.pace, self.load.case.images
        writes = 2 * images / TABLE_AT_ONCE + 6 * self.load.batches
        waited = writes * pace.table_s + self.load.batches * (pace.get_s + pace.put_s)
        return self._small("Record", images * pace.record_s, self._cold) + waited

    def _intake_seconds(self) -> float:
        pace, times, images = self.pace, self.load.inspections, self.load.case.images
        waited = images / READ_AT_ONCE * pace.table_s + times * (4 * pace.put_s + 0.1)
        return self._small("Intake", images * pace.begin_s, times) + waited

    def _choose_seconds(self, waits: float) -> float:
        later = len(self.load.stages) - 1
        times = self.load.inspections * later
        waited = waits * self.pace.get_s + 3 * times * self.pace.put_s
        return (self._small("Choose", 0.0, times) + waited) if later else 0.0

    def _finish_seconds(self) -> float:
        pace, times = self.pace, self.load.inspections
        receipts = times + self.load.batches
        waited = receipts * pace.get_s + times * (pace.put_s + pace.get_s + pace.table_s)
        return self._small("Finish", receipts * pace.finish_s, times) + waited

    def _deliver_seconds(self, alerts: float) -> float:
        pace, batches, images = self.pace, self.lake_batches, self.load.case.images
        waited = batches * (2 * pace.put_s + pace.get_s + 4 * pace.table_s)
        waited += alerts * 2 * pace.table_s
        return self._small("Deliver", images * pace.deliver_s, self.load.inspections) + waited


def _monthly(count: _Count, case: Case, prices: Prices) -> tuple[Line, ...]:
    """What stands there; the outbox is looked at every minute, the lake every night."""
    to, standing = Counter(prices), count.standing
    gb = standing.memory_mb["Deliver"] / 1024
    to.add("watch", "cloudwatch.usd_per_alarm_month", "alarms", standing.alarms)
    to.add("watch", "cloudwatch.usd_per_dashboard_month", "dashboard", standing.dashboards)
    to.add("watch", "cloudwatch.usd_per_metric_month", "metrics, at most", METRICS)
    asked = POLLERS * 3 * MONTH_MINUTES
    to.add("arrive", "sqs.usd_per_million_requests", "asking an idle queue", asked)
    seconds = MONTH_MINUTES * 5 * count.pace.table_s
    to.add("deliver", "lambda.usd_per_million_gb_seconds", "every minute", seconds * gb)
    to.add("deliver", "lambda.usd_per_million_requests", "every minute", MONTH_MINUTES)
    to.add("deliver", "dynamodb.usd_per_million_read_units", "every minute", 3 * MONTH_MINUTES)
    logs = MONTH_MINUTES * LOG_BYTES / GIB
    to.add("deliver", "cloudwatch.usd_per_gb_of_logs", "every minute", logs)
    scanned = 30 * max(ATHENA_LEAST_BYTES, case.images * count.measured.lake_bytes / 30)
    to.add("lake", "athena.usd_per_tb", "each night", scanned / 1e12)
    if case.own_key:
        to.add("keep", "kms.usd_per_key_month", "your key", 1)
    return tuple(to.lines)


def _storage(measured: Measured, case: Case, prices: Prices) -> tuple[Line, ...]:
    """What stays, for a month; work files go after 45 days and are small."""
    to, images = Counter(prices), case.images
    maps = sum(stage.share * stage.heatmap_bytes for stage in measured.stages)
    items = [measured.result, measured.member]
    predictions = sum(stage.share for stage in measured.stages)
    found = CHANNELS * _kept(measured.alert) + _kept(measured.finding)
    records = sum(map(_kept, items)) + predictions * _kept(measured.prediction)
    table = images * (records + measured.found_share * found) / GIB
    to.add("keep", "s3.usd_per_gb_month", "photographs", images * measured.image_bytes / GIB)
    to.add("keep", "s3.usd_per_gb_month", "heat maps", images * maps / GIB)
    to.add("keep", "s3.usd_per_gb_month", "the lake", images * measured.lake_bytes / GIB)
    to.add("keep", "dynamodb.usd_per_gb_month", "records", table)
    to.add("keep", "dynamodb.usd_per_gb_month_of_recovery", "records, to go back to", table)
    return tuple(to.lines)


def _kept(item: Stored) -> int:
    return item.bytes + ITEM_BYTES + item.indexes * ENTRY_BYTES
