"""The port Versions over DynamoDB: numbered model versions, and aliases that point at them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from walkdown.errors import StoreError
from walkdown.sdk.aws import AwsError
from walkdown.stores.codec import version_from_json, version_to_json
from walkdown.stores.dynamodb_keys import named_by, versions_of
from walkdown.stores.dynamodb_table import Put, worth_repeating
from walkdown.stores.dynamodb_values import data, number, pack, text, unpack
from walkdown.stores.fields import time_to_json
from walkdown.stores.recording import missing_version

if TYPE_CHECKING:
    from walkdown.stores.dynamodb_setting import Setting
    from walkdown.stores.dynamodb_values import Item
    from walkdown.types import ModelVersion


class DynamoDbVersions:
    """The model registry of one workspace: one partition, read consistently and as a whole."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._table = setting.table
        self._keys = setting.keys

    def add(self, version: ModelVersion) -> ModelVersion:
        """Number and store a version, unless the newest one has its digest already.

        Two who add at once get different numbers: the later one finds its number taken. A number
        that was written although the answer was lost is known by the token in its item.
        """
        token = self._setting.token()
        patience = self._table.patience()
        tried = 0
        while True:
            there = self.versions(version.name)
            if there and there[-1].digest == version.digest:
                return there[-1]
            if tried and self._wrote(version.name, tried, token):
                return self._stored(version.name, tried)
            tried = there[-1].version + 1 if there else 1
            try:
                self._table.transact(self._puts(replace(version, version=tried), token))
            except AwsError as error:
                if not worth_repeating(error):
                    raise
                if not patience.again():
                    raise _given_up(version.name) from error
            else:
                return self._stored(version.name, tried)

    def versions(self, name: str | None = None) -> list[ModelVersion]:
        """All versions (of one name), by name and number."""
        begins = "" if name is None else versions_of(name)
        items = list(self._table.query(self._keys.versions, begins=begins))
        aliases: dict[tuple[str, int], list[str]] = {}
        for item in items:
            if "points_at" in item:
                of_name, alias = named_by(text(item, "sk"))
                aliases.setdefault((of_name, number(item, "points_at")), []).append(alias)
        found = [version_from_json(unpack(data(item, "doc"))) for item in items if "doc" in item]
        there = [
            replace(each, aliases=tuple(sorted(aliases.get((each.name, each.version), ()))))
            for each in found
        ]
        return sorted(there, key=lambda each: (each.name, each.version))

    def point(self, name: str, alias: str, version: int) -> None:
        """Move an alias. Raises `NotFound` for a version that does not exist."""
        numbers = [each.version for each in self.versions(name)]
        if version not in numbers:
            raise missing_version(name, version, numbers)
        self._table.write([self._alias_item(name, alias, version)])

    def _stored(self, name: str, number: int) -> ModelVersion:
        return next(each for each in self.versions(name) if each.version == number)

    def _wrote(self, name: str, number: int, token: str) -> bool:
        key = self._keys.version(name, number)
        return self._table.get([key], attributes=("token",)).get(key, {}).get("token") == token

    def _puts(self, version: ModelVersion, token: str) -> list[Put]:
        pk, sk = self._keys.version(version.name, version.version)
        doc = pack(version_to_json(version))
        item: Item = {"pk": pk, "sk": sk, "token": token, "doc": doc}
        aliases = dict.fromkeys(version.aliases)
        moved = [self._alias_item(version.name, alias, version.version) for alias in aliases]
        return [Put(item, "new"), *(Put(each) for each in moved)]

    def _alias_item(self, name: str, alias: str, version: int) -> Item:
        pk, sk = self._keys.alias(name, alias)
        moved_at = time_to_json(self._setting.clock())
        return {"pk": pk, "sk": sk, "points_at": version, "moved_at": moved_at}


def _given_up(name: str) -> StoreError:
    return StoreError(
        f"the new version of model {name!r} could not be numbered, since others keep adding "
        "versions of it: run the same command again"
    )
