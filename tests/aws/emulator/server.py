"""The emulator's process: moto's server with everything in this package in place.

    python -m tests.aws.emulator.server FOLDER

prints its port once it serves, and ends when its standard input does, that is with the test run.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.aws.emulator.control import FrontDoor, fault_of
from tests.aws.emulator.environment import Site
from tests.aws.emulator.faults import Faults, Kill, Limits
from tests.aws.emulator.functions import Functions
from tests.aws.emulator.machines import Clients, patch_machines
from tests.aws.emulator.map_runs import patch_maps
from tests.aws.emulator.patching import REGION, SECRET, moto
from tests.aws.emulator.pool import Pool
from tests.aws.emulator.resources import patch_resources
from tests.aws.emulator.sdk import sdk_folder
from tests.aws.emulator.sources import Sources
from tests.aws.emulator.stacks import patch_stacks
from tests.aws.emulator.state_events import patch_state_events
from tests.aws.emulator.targets import Targets
from tests.aws.emulator.transactions import patch_transactions


class Emulator:
    """All parts, and what the control routes do with them."""

    def __init__(self, folder: Path, endpoint: str) -> None:
        self.faults = Faults()
        self.database = threading.RLock()
        spawner = ThreadPoolExecutor(1, thread_name_prefix="spawner")
        site = Site(endpoint, sdk_folder(folder / "sdk"), spawner)
        self.pool = Pool(site, self.faults)
        self.functions = Functions(self.pool, self.faults, folder / "code")
        self.sources = Sources(self.functions, self.faults, self.database)
        self.targets = Targets(self.functions, self.faults)
        self.clients = Clients(endpoint)

    def patch(self) -> None:
        config = moto("core.config").default_user_config
        config["stepfunctions"] = {"execute_state_machine": True}
        self.functions.patch()
        self.sources.patch()
        self.targets.patch()
        patch_machines(self.clients, self.faults)
        patch_maps()
        patch_state_events()
        patch_resources(lambda service: self.clients.get(REGION, service))
        patch_stacks()
        patch_transactions()

    def control(self, verb: str, given: dict[str, Any]) -> Any:
        """What the test asks for, by ``verb``."""
        match verb:
            case "reset":
                return self._reset()
            case "record":
                return self.faults.told()
            case "idle":
                return self.idle
            case "fire":
                return self.targets.fire(given["name"])
            case "fault":
                return self._add(given)
            case "relent":
                self.faults.relent()
            case "throttle":
                self.faults.throttles[given["function"]] = given["times"]
            case "limits":
                name = given.pop("function")
                self.faults.limits[name] = Limits(**given)
            case "hurry":
                self.faults.longest_delay_s = given["longest_delay_s"]
            case _:
                raise LookupError(f"no such verb: {verb}")
        return None

    def _add(self, given: dict[str, Any]) -> None:
        fault = fault_of(given)
        with self.faults.lock:
            if isinstance(fault, Kill):
                self.faults.kills.append(fault)
            else:
                self.faults.refusals.append(fault)

    @property
    def idle(self) -> bool:
        """Nothing runs, waits or is still to be delivered."""
        return (
            not self.functions.busy
            and self.targets.idle
            and self.sources.idle
            and not _running_executions()
        )

    def _reset(self) -> None:
        self.sources.stop_all()
        for execution in _running_executions():
            execution.stop(stop_date=datetime.now(UTC), error=None, cause=None)
        self.pool.close()
        moto("moto_api._internal.models").moto_api_backend.reset()
        self.faults.reset()


def _running_executions() -> list[Any]:
    accounts = moto("stepfunctions.parser.models").stepfunctions_parser_backends
    return [
        execution
        for regions in list(accounts.values())
        for backend in list(regions.values())
        for machine in list(backend.state_machines)
        for execution in list(machine.executions)
        if execution.status == "RUNNING"
    ]


def main(folder: Path) -> None:
    os.environ.update(
        AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY=SECRET, AWS_DEFAULT_REGION=REGION
    )
    from werkzeug.serving import make_server

    app = moto("moto_server.werkzeug_app")
    waiting: list[Any] = []
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # As AWS does it: one connection for many requests.
    app.MotoRequestHandler.protocol_version = "HTTP/1.1"
    app.MotoRequestHandler.disable_nagle_algorithm = True
    server = make_server(
        "127.0.0.1",
        0,
        lambda environ, start: waiting[0](environ, start),
        threaded=True,
        request_handler=app.MotoRequestHandler,
    )
    os.environ["MOTO_PORT"] = str(server.port)
    emulator = Emulator(folder, f"http://127.0.0.1:{server.port}")
    emulator.patch()
    inner = app.DomainDispatcherApplication(app.create_backend_app)
    waiting.append(
        FrontDoor(inner, emulator.faults, emulator.pool, emulator.database, emulator.control)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.port}\n")
    sys.stdout.flush()
    sys.stdin.read()
    emulator.pool.close()
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
