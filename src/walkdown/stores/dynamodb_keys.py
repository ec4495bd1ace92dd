"""One DynamoDB table for all records: its keys, its indexes, and which question each one answers.

Every item has string keys ``pk`` and ``sk``; a ``pk`` begins with the workspace, per cent encoded,
so that no name of one workspace can reach into another. Indexes are sparse and hold keys only: what
they find is read from the table itself, consistently, and checked again.

| question | read |
|---|---|
| one result, or finding, by id | ``W#R#ID``, ``W#F#ID`` |
| one cached prediction, or message, by its key | ``W#C#KEY``, ``W#O#ID`` |
| an inspection's members | ``W#I#INSPECTION#0`` to ``#f``: shards by the result id's first digit |
| all inspections | ``W#I`` |
| what a pipeline has spent, and who did | ``W#B#PIPELINE``: ``m#MONTH``, ``i#INSPECTION`` |
| all model versions and aliases | ``W#V`` with ``sk`` ``NAME#v#NUMBER`` and ``NAME#a#ALIAS`` |
| an asset's results over time | index ``listing``: ``W#A#sha256 of the asset``, by sequence |
| open findings of a severity | index ``listing``: ``W#F#SEVERITY``, by the time they were seen |
| messages not yet settled | index ``listing``: ``W#O#TOPIC``, by sequence |
| the results of an image's name or URI | index ``names``: ``W#N#sha256 of it``, by sequence |
| the results of a content hash or its beginning | index ``contents``: ``W#H#6 digits``, by hash |

A sequence is the time of writing and a counter: the order in which things were recorded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from walkdown.types import digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from walkdown.ports import Topic
    from walkdown.types import Severity

Key = tuple[str, str]

LISTING = "listing"
NAMES = "names"
CONTENTS = "contents"

KEYS_OF: Mapping[str, tuple[str, str]] = {
    "": ("pk", "sk"),
    LISTING: ("lpk", "lsk"),
    NAMES: ("npk", "nsk"),
    CONTENTS: ("cpk", "csk"),
}
"""The partition and the sort attribute of the table (under the empty name) and of each index."""

TTL = "ttl"
"""The attribute after whose time, in seconds since 1970, DynamoDB may delete an item."""

SHARDS = "0123456789abcdef"


def _schema(index: str) -> list[Mapping[str, str]]:
    partition, sort = KEYS_OF[index]
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


TABLE: Mapping[str, object] = {
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": _schema(""),
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": "S"} for pair in KEYS_OF.values() for name in pair
    ],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": index,
            "KeySchema": _schema(index),
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        }
        for index in (LISTING, NAMES, CONTENTS)
    ],
}
"""What ``CreateTable`` needs beside the name; `TTL` is switched on by ``UpdateTimeToLive``."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one workspace."""

    workspace: str

    def result(self, result_id: str) -> Key:
        """The result itself. Its parts and its second name lie beside it, under the same ``pk``."""
        return f"{self._start}#R#{result_id}", "result"

    def result_id(self, pk: str) -> str:
        """Back from `result`."""
        return pk.rpartition("#")[2]

    @property
    def all_results(self) -> str:
        """What the ``pk`` of every result begins with."""
        return f"{self._start}#R#"

    def finding(self, finding_id: str) -> Key:
        """A finding by id."""
        return f"{self._start}#F#{_plain(finding_id)}", "finding"

    def cached(self, key: str) -> Key:
        """A cached prediction by its cache key."""
        return f"{self._start}#C#{_plain(key)}", "cached"

    def message(self, message_id: str) -> Key:
        """A message of the outbox by id."""
        return f"{self._start}#O#{_plain(message_id)}", "message"

    def inspection(self, inspection_id: str) -> Key:
        """An inspection, in the partition of all of them."""
        return self.inspections, _plain(inspection_id)

    @property
    def inspections(self) -> str:
        """The partition of all inspections."""
        return f"{self._start}#I"

    def members(self, inspection_id: str, shard: str) -> str:
        """The partition of one shard of an inspection's members; the ``sk`` is the result's id."""
        return f"{self._start}#I#{_plain(inspection_id)}#{shard}"

    def spent(self, pipeline: str, month: str) -> Key:
        """What a pipeline has taken of a month's budget."""
        return f"{self._start}#B#{_plain(pipeline)}", f"m#{_plain(month)}"

    def taken(self, pipeline: str, inspection_id: str) -> Key:
        """What one inspection has taken of it, in whatever month."""
        return f"{self._start}#B#{_plain(pipeline)}", f"i#{_plain(inspection_id)}"

    @property
    def versions(self) -> str:
        """The partition of all model versions and aliases, few enough to be read as one."""
        return f"{self._start}#V"

    def version(self, name: str, number: int) -> Key:
        """One version; numbers sort as text."""
        return self.versions, f"{versions_of(name)}v#{number:07d}"

    def alias(self, name: str, alias: str) -> Key:
        """One alias, which sorts before the versions."""
        return self.versions, f"{versions_of(name)}a#{_plain(alias)}"

    def of_asset(self, asset: str) -> str:
        """Partition of `LISTING`: an asset's results."""
        return f"{self._start}#A#{_hashed(asset)}"

    def of_severity(self, severity: Severity) -> str:
        """Partition of `LISTING`: findings of a severity."""
        return f"{self._start}#F#{severity}"

    def waiting(self, topic: Topic) -> str:
        """Partition of `LISTING`: messages not yet settled."""
        return f"{self._start}#O#{topic}"

    def named(self, name: str) -> str:
        """Partition of `NAMES`: results of an image's name or URI."""
        return f"{self._start}#N#{_hashed(name)}"

    def hashed(self, content: str) -> str:
        """Partition of `CONTENTS`, for a content hash or its beginning of 6 or more digits."""
        return f"{self._start}#H#{content[:6]}"

    @property
    def _start(self) -> str:
        return _plain(self.workspace)


def versions_of(name: str) -> str:
    """What the ``sk`` of every version and alias of a model begins with."""
    return f"{_plain(name)}#"


def named_by(sort: str) -> tuple[str, str]:
    """The model's name and the alias (or number) in the ``sk`` of `Keys.alias` or `version`."""
    name, _, last = sort.split("#")
    return unquote(name, errors="surrogatepass"), unquote(last, errors="surrogatepass")


def message_id(pk: str) -> str:
    """Back from `Keys.message`."""
    return unquote(pk.rpartition("#")[2], errors="surrogatepass")


def shard_of(result_id: str) -> str:
    """Which of `SHARDS` a member lies in: ids are hashes, so their first digits are even."""
    return result_id[0]


def _plain(text: str) -> str:
    """Text without ``#``, and in UTF-8 also where a file name was not Unicode."""
    return quote(text, safe="", errors="surrogatepass")


def _hashed(text: str) -> str:
    return digest_of(text)[:32]
