"""Publishes notices to Amazon SNS: people read them in a mail or a text message, machines get JSON.

One publication serves all: with ``MessageStructure`` ``json``, SNS gives the text to subscribers by
``email`` and ``sms``, and to all others (``sqs``, ``lambda``, ``https`` ...) the ``default``, which
is the JSON body of `bodies.notice_body`. Attributes let each subscription filter: ``severity``,
``pipeline``, ``asset``, ``event``, ``label`` and ``site`` are lists where a notice has several, and
``more`` is the number of alerts that are only counted, whose attributes nobody can filter by.
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from walkdown.errors import NotifyError
from walkdown.notify.bodies import notice_body
from walkdown.notify.wording import headline, letter
from walkdown.sdk.aws import AwsError, explained

if TYPE_CHECKING:
    from collections.abc import Iterable

    from walkdown.types import Alert, Notice

Attributes = dict[str, dict[str, str]]

MAX_BYTES = 256 * 1024
"""What SNS takes: message and attributes together."""

_MAX_SUBJECT = 99
_MAX_SMS = 140
_MAX_VALUE = 256
_MAX_VALUES = 20


@dataclass(frozen=True, slots=True)
class SnsNotifier:
    """Publishes to one topic, or to one topic for each severity.

    ``topics`` is the ARN of a topic. Ending in ``-`` it is the beginning of four ARNs, which go on
    with ``low``, ``medium``, ``high`` and ``critical``: a notice goes where its worst alert
    belongs. What is larger than SNS takes is told with fewer alerts, and the others are counted.
    """

    client: Any
    topics: str

    def send(self, notice: Notice) -> None:
        topic = self.topic(notice)
        try:
            with explained(f"publish to the SNS topic {topic}"):
                self.client.publish(TopicArn=topic, **_publication(notice))
        except AwsError as error:
            raise NotifyError(f"{error}; the alerts wait and are sent again") from error
        except ValueError as error:
            raise NotifyError(f"cannot tell the SNS topic {topic} of an alert: {error}") from error

    def topic(self, notice: Notice) -> str:
        """The ARN of the topic that a notice goes to."""
        return f"{self.topics}{notice.severity}" if self.topics.endswith("-") else self.topics


def subject(notice: Notice) -> str:
    """The headline as SNS takes it: printable ASCII, less than 100 characters."""
    return _ascii(headline(notice), _MAX_SUBJECT)


def attributes(notice: Notice) -> Attributes:
    """What a subscription can filter by; of one value no more than 256 characters, of many 20."""
    alerts = notice.alerts
    found: dict[str, list[str]] = {
        "severity": [notice.severity.value],
        "pipeline": [alert.pipeline for alert in alerts],
        "asset": [alert.finding.asset for alert in alerts],
        "event": [alert.event for alert in alerts],
        "label": [alert.finding.label for alert in alerts],
        "site": [_site(alert) for alert in alerts],
    }
    named = {name: _attribute(values) for name, values in found.items() if any(values)}
    return named | {"more": {"DataType": "Number", "StringValue": str(notice.more)}}


def _attribute(values: Iterable[str]) -> dict[str, str]:
    cut = ["".join(c if c.isprintable() else " " for c in v)[:_MAX_VALUE] for v in values if v]
    distinct = list(dict.fromkeys(cut))[:_MAX_VALUES]
    if len(distinct) == 1:
        return {"DataType": "String", "StringValue": distinct[0]}
    text = json.dumps(distinct, ensure_ascii=False)
    return {"DataType": "String.Array", "StringValue": text}


def _site(alert: Alert) -> str:
    """An asset that the pipeline's template found is ``SITE/ASSET``; an image's URI has no site."""
    site, slash, _ = alert.finding.asset.partition("/")
    return site if slash and "://" not in alert.finding.asset else ""


def _publication(notice: Notice) -> dict[str, object]:
    """What is published, with as many of the worst alerts as SNS takes."""
    known = attributes(notice)
    room = MAX_BYTES - sum(len(f"{name}{each}".encode()) for name, each in known.items())
    shown, message = notice, _message(notice, notice.id)
    while len(message.encode()) > room and len(shown.alerts) > 1:
        count = len(shown.alerts)
        keep = max(1, min(count - 1, count * room // len(message.encode())))
        shown = replace(shown, alerts=shown.alerts[:keep], more=shown.more + count - keep)
        message = _message(shown, notice.id)
    return {
        "Subject": subject(notice),
        "Message": message,
        "MessageStructure": "json",
        "MessageAttributes": known,
    }


def _message(notice: Notice, identity: str) -> str:
    """For people the headline alone in a text message, and all of it in a mail."""
    line = headline(notice)
    body = notice_body(notice, strict=True) | {"id": identity}
    forms = {
        "default": json.dumps(body, allow_nan=False),
        "email": f"{line}\n\n{letter(notice)}",
        "sms": _ascii(line, _MAX_SMS),
    }
    return json.dumps(forms, ensure_ascii=False)


def _ascii(text: str, longest: int) -> str:
    """Letters lose their accents; what has no form in ASCII becomes a question mark."""
    letters = [c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)]
    plain = "".join(letters).encode("ascii", "replace").decode()
    return plain if len(plain) <= longest else f"{plain[: longest - 3]}..."
