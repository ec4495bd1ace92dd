"""The environments of all functions: warm ones are used again, and the faults take their turn.

A published version keeps the code and the settings it was published with, so each has a pool of
its own; reserved concurrency counts over all versions of a function. Not like AWS: no more than
`PROCESSES` environments of one version run at a time, the rest of the invocations wait.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import threading
import uuid
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.aws.emulator.environment import Code, Environment, Outcome, Site
from tests.aws.emulator.faults import Faults, Invocation, Limits

PROCESSES = 4
UNZIPPED_LIMIT = 262144000


class Throttled(Exception):
    """The function has no concurrency left, or a test says so: HTTP 429."""


class PackageRefused(Exception):
    """The package is not what AWS takes."""


@dataclass
class _Warm:
    idle: list[Environment] = field(default_factory=list)
    slots: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(PROCESSES))


class Pool:
    """Invokes versions of functions."""

    def __init__(self, site: Site, faults: Faults) -> None:
        self._site, self._faults = site, faults
        self._lock = threading.Lock()
        self._warm: dict[str, _Warm] = {}
        self._busy: dict[str, int] = defaultdict(int)
        self._of_key: dict[str, Environment] = {}

    @property
    def busy(self) -> int:
        """How many invocations run now."""
        return sum(self._busy.values())

    def environment_of(self, key: str) -> Environment | None:
        """The environment whose requests carry this access key."""
        return self._of_key.get(key)

    def invoke(self, code: Code, body: bytes, *, reserved: int | None = None) -> Outcome:
        """One invocation; raises :class:`Throttled`."""
        self._enter(code.name, reserved)
        try:
            return self._run(_limited(code, self._faults.limits.get(code.name)), body)
        finally:
            with self._lock:
                self._busy[code.name] -= 1

    def _enter(self, name: str, reserved: int | None) -> None:
        with self._lock:
            full = reserved is not None and self._busy[name] >= reserved
            if full or self._faults.throttled(name):
                raise Throttled(name)
            self._busy[name] += 1

    def _run(self, code: Code, body: bytes) -> Outcome:
        warm = self._warm_of(code)
        with warm.slots:
            environment = self._environment(code, warm)
            request_id = str(uuid.uuid4())
            kill = self._faults.kill_at_invocation(code.name)
            outcome = environment.invoke(body, request_id, kill.after_s if kill else None)
            self._note(code, request_id, body, outcome)
            self._put_back(environment, warm)
        return outcome

    def _warm_of(self, code: Code) -> _Warm:
        with self._lock:
            return self._warm.setdefault(_digest(code), _Warm())

    def _environment(self, code: Code, warm: _Warm) -> Environment:
        while True:
            with self._lock:
                found = warm.idle.pop() if warm.idle else None
            if found is None:
                made = Environment(code, self._site)
                self._of_key[made.key] = made
                return made
            if not found.dead:
                return found
            self._drop(found)

    def _put_back(self, environment: Environment, warm: _Warm) -> None:
        if environment.dead:
            self._drop(environment)
            return
        with self._lock:
            warm.idle.append(environment)

    def _drop(self, environment: Environment) -> None:
        self._of_key.pop(environment.key, None)
        environment.close()

    def _note(self, code: Code, request_id: str, body: bytes, outcome: Outcome) -> None:
        made = Invocation(
            code.name,
            code.version,
            request_id,
            _parsed(body),
            _parsed(outcome.payload),
            outcome.error,
            outcome.logs,
            outcome.cold,
            outcome.duration_s,
            outcome.peak_mb,
        )
        with self._faults.lock:
            self._faults.invocations.append(made)

    def close(self) -> None:
        """End all environments, also those at work."""
        with self._lock:
            every = list(self._of_key.values())
            self._of_key.clear()
            self._warm.clear()
        for environment in every:
            environment.kill("closed")
        for environment in every:
            environment.close()


def _limited(code: Code, limits: Limits | None) -> Code:
    if limits is None:
        return code
    memory_mb = code.memory_mb if limits.memory_mb is None else limits.memory_mb
    timeout_s = code.timeout_s if limits.timeout_s is None else limits.timeout_s
    return replace(code, memory_mb=memory_mb, timeout_s=timeout_s)


def _digest(code: Code) -> str:
    said = (code.arn, code.version, str(code.root), code.handler, code.timeout_s, code.memory_mb)
    return json.dumps([*said, code.variables, [str(each) for each in code.layers]], sort_keys=True)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body or b"null")
    except ValueError:
        return body.decode("utf-8", "replace")


def unpacked(package: bytes, base: Path) -> Path:
    """The folder with a package's files, made once per content; over the limit is refused."""
    folder = base / hashlib.sha256(package).hexdigest()[:24]
    if not folder.is_dir():
        base.mkdir(parents=True, exist_ok=True)
        making = base / f"making-{uuid.uuid4().hex}"
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            archive.extractall(making)
        try:
            making.rename(folder)
        except OSError:
            shutil.rmtree(making, ignore_errors=True)
    return folder


def check_package(package: bytes) -> None:
    """Raises :class:`PackageRefused` where AWS refuses the upload."""
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        raise PackageRefused("Could not unzip uploaded file. Please check your file.") from error
    if size >= UNZIPPED_LIMIT:
        raise PackageRefused(f"Unzipped size must be smaller than {UNZIPPED_LIMIT} bytes")
