"""What a test asks the emulator to break, how much it may hurry, and what it has seen.

One object per emulator, guarded by one lock; the parts of the emulator ask it, the control routes
set it. The classes without behaviour travel as JSON between the test and the server.
"""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

LONGEST_DELAY_S = 0.3


@dataclass(frozen=True, slots=True)
class Invocation:
    """One invocation of a function, as it ended. ``error`` is None or "Unhandled"."""

    function: str
    version: str
    request_id: str
    event: Any
    answer: Any
    error: str | None
    logs: str
    cold: bool
    duration_s: float
    peak_mb: float


@dataclass(slots=True)
class Kill:
    """End a function's process once: at its ``nth`` invocation, or around its ``nth`` such call.

    ``call`` is "service:Action" ("dynamodb:TransactWriteItems"). With ``when`` "before" the call
    has no effect, with "after" it has, and the function never learns of it.
    """

    function: str
    nth: int = 1
    call: str | None = None
    when: Literal["before", "after"] = "before"
    after_s: float = 0.0


@dataclass(slots=True)
class Refusal:
    """The next ``times`` calls of this action fail with ``error``; ``function`` None: anyone's."""

    call: str
    error: str
    times: int = 1
    function: str | None = None
    status: int = 400
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class Limits:
    """A function's limits in place of its own."""

    memory_mb: int | None = None
    timeout_s: float | None = None


@dataclass
class Faults:
    """Everything that a test sets, and the record of what happened."""

    longest_delay_s: float = LONGEST_DELAY_S
    throttles: dict[str, int] = field(default_factory=dict)
    kills: list[Kill] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    limits: dict[str, Limits] = field(default_factory=dict)
    invocations: list[Invocation] = field(default_factory=list)
    delays: list[tuple[str, float]] = field(default_factory=list)
    calls: dict[str, dict[str, int]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def reset(self) -> None:
        with self.lock:
            self.longest_delay_s = LONGEST_DELAY_S
            for each in (self.throttles, self.limits, self.calls):
                each.clear()
            for lot in (self.kills, self.refusals, self.invocations, self.delays, self.errors):
                lot.clear()

    def shortened(self, what: str, asked_s: float) -> float:
        """The delay to keep in place of ``asked_s``, which is noted."""
        with self.lock:
            self.delays.append((what, asked_s))
            return min(asked_s, self.longest_delay_s)

    def throttled(self, function: str) -> bool:
        with self.lock:
            left = self.throttles.get(function, 0)
            if left:
                self.throttles[function] = left - 1
            return left > 0

    def kill_at_invocation(self, function: str) -> Kill | None:
        return self._due(function, None)

    def kill_at_call(self, function: str, call: str) -> Kill | None:
        return self._due(function, call)

    def _due(self, function: str, call: str | None) -> Kill | None:
        with self.lock:
            for kill in self.kills:
                if kill.function == function and kill.call == call:
                    kill.nth -= 1
                    if kill.nth == 0:
                        self.kills.remove(kill)
                        return kill
        return None

    def refused(self, function: str | None, call: str) -> Refusal | None:
        with self.lock:
            for refusal in self.refusals:
                if refusal.call == call and refusal.function in (None, function):
                    refusal.times -= 1
                    if refusal.times <= 0:
                        self.refusals.remove(refusal)
                    return refusal
        return None

    def relent(self) -> None:
        """Nothing is refused any more."""
        with self.lock:
            self.refusals.clear()

    def note_call(self, function: str, call: str) -> None:
        with self.lock:
            counts = self.calls.setdefault(function, {})
            counts[call] = counts.get(call, 0) + 1

    def note_error(self, what: str) -> None:
        with self.lock:
            self.errors.append(what)

    def told(self) -> dict[str, Any]:
        """The record, as JSON."""
        with self.lock:
            return {
                "invocations": [asdict(each) for each in self.invocations],
                "delays": list(self.delays),
                "calls": {name: dict(counts) for name, counts in self.calls.items()},
                "errors": list(self.errors),
            }
