"""The emulator as a test holds it: clients of it, what to break, what happened, and waiting."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from tests.aws.emulator.control import ROUTES
from tests.aws.emulator.faults import Invocation
from tests.aws.emulator.patching import REGION, SECRET, module

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Handle:
    """A running emulator."""

    url: str
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client of this emulator, without retries, so that a refusal is seen."""
        if service not in self._clients:
            from botocore.config import Config

            session: Any = module("boto3.session").Session()
            config = Config(
                retries={"total_max_attempts": 1},
                read_timeout=120,
                s3={"addressing_style": "path"},
            )
            self._clients[service] = session.client(
                service,
                region_name=REGION,
                endpoint_url=self.url,
                aws_access_key_id="test",
                aws_secret_access_key=SECRET,
                config=config,
            )
        return self._clients[service]

    def variables(self) -> dict[str, str]:
        """The environment with which any boto3, also of a child process, talks to the emulator."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def reset(self) -> None:
        """Forget all resources, end all functions, break nothing any more."""
        self._post("reset")

    def throttle(self, function: str, *, times: int) -> None:
        """The next invocations are answered "too many requests" (429)."""
        self._post("throttle", function=function, times=times)

    def kill(
        self,
        function: str,
        *,
        nth: int = 1,
        call: str | None = None,
        when: Literal["before", "after"] = "before",
        after_s: float = 0.05,
    ) -> None:
        """End the function's process at its ``nth`` invocation from now, ``after_s`` into it; or,
        with ``call`` ("s3:PutObject"), before or after its ``nth`` such request takes effect."""
        self._post(
            "fault",
            fault="kill",
            function=function,
            nth=nth,
            call=call,
            when=when,
            after_s=after_s,
        )

    def refuse(
        self,
        call: str,
        error: str,
        *,
        times: int = 1,
        function: str | None = None,
        status: int = 400,
        reasons: Sequence[str] = (),
    ) -> None:
        """The next such calls fail: ``refuse("dynamodb:PutItem",
        "ProvisionedThroughputExceededException")``; ``reasons`` of a cancelled transaction."""
        self._post(
            "fault",
            fault="refusal",
            call=call,
            error=error,
            times=times,
            function=function,
            status=status,
            reasons=list(reasons),
        )

    def relent(self) -> None:
        """No call is refused any more, however often it was to be."""
        self._post("relent")

    def limit(
        self, function: str, *, memory_mb: int | None = None, timeout_s: float | None = None
    ) -> None:
        """Hold a function to these limits in place of its own, from the next invocation on."""
        self._post("limits", function=function, memory_mb=memory_mb, timeout_s=timeout_s)

    def hurry(self, longest_delay_s: float) -> None:
        """No window, visibility, wait or retry takes longer than this (0.3 s unless told)."""
        self._post("hurry", longest_delay_s=longest_delay_s)

    def fire(self, name: str) -> int:
        """Fire a rule or a schedule by its name; how many targets it went to."""
        return int(self._post("fire", name=name))

    def invocations(self, function: str | None = None) -> list[Invocation]:
        """What ran and ended, in the order of ending; of a function, or of all."""
        every = [Invocation(**each) for each in self._post("record")["invocations"]]
        return [each for each in every if function in (None, each.function)]

    def calls(self, function: str) -> dict[str, int]:
        """How often a function made which call ("dynamodb:PutItem")."""
        made: dict[str, int] = self._post("record")["calls"].get(function, {})
        return made

    def delays(self, what: str) -> list[float]:
        """The delays that were asked for, in seconds: "retry", "wait", "window", "visibility"."""
        return [asked for kind, asked in self._post("record")["delays"] if kind == what]

    def errors(self) -> list[str]:
        """What failed inside a delivery, where on AWS nobody is told either."""
        return list(self._post("record")["errors"])

    def messages(self, queue_url: str) -> list[str]:
        """The bodies of what is in a queue now; they stay there."""
        got = self.client("sqs").receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        return [each["Body"] for each in got.get("Messages", [])]

    def redrive(self, dead_letters_url: str, queue_url: str) -> int:
        """Move all messages from the dead letters back into the queue; how many."""
        sqs, moved = self.client("sqs"), 0
        while True:
            got = sqs.receive_message(QueueUrl=dead_letters_url, MaxNumberOfMessages=10)
            if not got.get("Messages"):
                return moved
            for message in got["Messages"]:
                sqs.send_message(QueueUrl=queue_url, MessageBody=message["Body"])
                sqs.delete_message(
                    QueueUrl=dead_letters_url, ReceiptHandle=message["ReceiptHandle"]
                )
                moved += 1

    def settle(self, *, timeout_s: float = 60.0) -> None:
        """Wait until nothing runs and nothing is still to be delivered."""
        # Twice, since something may be on its way between two parts of the emulator.
        for _ in range(2):
            wait_until(lambda: self._post("idle"), "the emulator is idle", timeout_s=timeout_s)
            time.sleep(0.05)

    def _post(self, verb: str, **given: Any) -> Any:
        request = urllib.request.Request(
            self.url + ROUTES + verb,
            data=json.dumps(given).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(error.read().decode()) from error


def wait_until(
    found: Callable[[], T], what: str, *, timeout_s: float = 30.0, pause_s: float = 0.05
) -> T:
    """The first truthy value that ``found`` gives; fails with ``what`` was waited for."""
    end = time.monotonic() + timeout_s
    while True:
        value = found()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout_s:g} s in vain until {what}")
        time.sleep(pause_s)


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """A function's package of these files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return made.getvalue()


@contextmanager
def running(folder: Path) -> Iterator[Handle]:
    """An emulator in a process of its own; ``folder`` takes the functions' code."""
    root = Path(__file__).parents[3]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.aws.emulator.server", str(folder)],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            port = process.stdout.readline().decode().strip()
            if not port:
                told = (folder / "server.log").read_text()[-2000:]
                raise AssertionError(f"the emulator did not start: {told}")
            yield Handle(f"http://127.0.0.1:{port}")
        finally:
            process.stdin.close()
            process.wait(20)
            process.stdout.close()
            for name in ("code", "sdk"):
                shutil.rmtree(folder / name, ignore_errors=True)
