"""A pipeline's alert specifications become the notifiers that they describe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from walkdown.errors import MissingExtra
from walkdown.notify.eventbridge import EventBridgeNotifier
from walkdown.notify.log import LogNotifier
from walkdown.notify.sns import SnsNotifier
from walkdown.spec import parse_pipeline
from walkdown.wiring import open_workspace

if TYPE_CHECKING:
    from pathlib import Path

    from walkdown.ports import Notifier

TOPICS = "arn:aws:sns:eu-west-1:123456789012:plant-alerts-"
BUS = "arn:aws-cn:events:cn-north-1:123456789012:event-bus/plant"


def channel(folder: Path, alert: str) -> Notifier:
    text = f"stages: [{{name: a, model: m}}]\nalerts: [{{{alert}}}]\n"
    spec = parse_pipeline(text, where="p.yaml", name="p")
    app = open_workspace(str(folder))
    try:
        return app.notifiers(spec.alerts[0])
    finally:
        app.close()


@pytest.fixture
def somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-west-2")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")


def test_the_log_is_the_log(tmp_path: Path) -> None:
    assert isinstance(channel(tmp_path, "to: log"), LogNotifier)


@pytest.mark.usefixtures("somewhere")
def test_topics_are_called_in_their_region(tmp_path: Path) -> None:
    notifier = channel(tmp_path, f"to: sns, topics: '{TOPICS}'")
    assert isinstance(notifier, SnsNotifier)
    assert (notifier.topics, notifier.client.meta.region_name) == (TOPICS, "eu-west-1")


@pytest.mark.usefixtures("somewhere")
@pytest.mark.parametrize(
    ("given", "bus", "region"),
    [
        ("", "default", "us-west-2"),
        (", bus: plant", "plant", "us-west-2"),
        (f", bus: '{BUS}'", BUS, "cn-north-1"),
    ],
)
def test_a_bus_is_called_in_its_region(tmp_path: Path, given: str, bus: str, region: str) -> None:
    notifier = channel(tmp_path, f"to: eventbridge{given}")
    assert isinstance(notifier, EventBridgeNotifier)
    assert (notifier.bus, notifier.client.meta.region_name) == (bus, region)


@pytest.mark.parametrize("alert", [f"to: sns, topics: '{TOPICS}'", "to: eventbridge"])
def test_without_the_extra_the_install_command_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alert: str
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(MissingExtra, match=r"pip install 'walkdown\[aws\]'"):
        channel(tmp_path, alert)
