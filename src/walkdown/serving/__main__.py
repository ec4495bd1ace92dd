"""`python -m walkdown.serving serve`, and `train`: as SageMaker starts a container."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from walkdown.errors import WalkdownError
from walkdown.models import artefact
from walkdown.registry import Offers, open_model
from walkdown.runners.jobs import runnable
from walkdown.serving.server import Server
from walkdown.settings import Container, container_of_environment, environment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from walkdown.ports import Model

log = logging.getLogger("walkdown.serving")
USAGE = 2
STOP_S = 25.0
"""SageMaker kills a container half a minute after it has asked it to stop."""


def main(args: list[str]) -> int:
    """Run what SageMaker asks for, and return the exit code."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    env = environment()
    try:
        here = container_of_environment(env)
        if args in ([], ["serve"]):
            return serve(here, env)
        if args == ["train"]:
            return train(here)
    except WalkdownError as e:
        log.error("walkdown: error: %s", e)
        return 1
    except OSError as e:
        log.error("walkdown: error: %s: %s", e.filename or f"port {here.port}", e.strerror)
        return 1
    log.error("walkdown: error: say serve or train")
    return USAGE


def serve(here: Container, env: Mapping[str, str]) -> int:
    """Answer until SIGTERM. /ping says 503 until the model is open."""
    server = Server(("", here.port), at_once=here.processors)
    _stop_by_signal(server)
    loop = threading.Thread(target=server.serve_forever)
    loop.start()
    try:
        server.model = _opened(here.model, env)
        log.info("ready on port %d with %s", server.server_address[1], server.model.info.label)
        loop.join()
    except WalkdownError:
        server.stop()
        raise
    finally:
        loop.join()
        server.server_close()
    log.info("stopped")
    return 0


def _stop_by_signal(server: Server) -> None:
    def stop(*_: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        # In a thread of its own: what the signal has interrupted may hold what `stop` waits for.
        threading.Thread(target=server.stop).start()
        _end_within(STOP_S)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _end_within(seconds: float) -> None:
    """End this process by then, whatever is still under way."""

    def end() -> None:
        log.warning("requests were still under way after %.0f s and are broken off", seconds)
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def train(here: Container) -> int:
    """Train, and leave the reason where SageMaker shows it if that fails."""
    from walkdown.serving.training import train as trained_of

    settings = here.input / "config" / "hyperparameters.json"
    try:
        trained = trained_of(here.input / "data", settings, here.model)
    except WalkdownError as e:
        _leave(here.output / "failure", str(e))
        raise
    log.info("trained on %d photographs: %s", trained.images, trained.version.digest)
    for name, why in trained.left_out:
        log.info("left out %s: %s", name, why)
    return 0


def _opened(folder: Path, env: Mapping[str, str]) -> Model:
    packed = artefact.load_folder(folder)
    label = f"{packed.kind} {packed.digest[:12]}"
    return runnable(open_model(packed, label=label, offers=Offers(env=env)))


def _leave(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text[:1024], encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
