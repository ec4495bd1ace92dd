"""AWS in this process (moto): queues that take down what topics and buses deliver to them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from walkdown.sdk.aws import Aws

REGION = "eu-central-1"
ACCOUNT = "123456789012"
TOPICS = f"arn:aws:sns:{REGION}:{ACCOUNT}:plant-alerts-"
LEVELS = ("low", "medium", "high", "critical")


@dataclass
class Cloud:
    """One account's topics, buses and queues."""

    aws: Aws

    def client(self, service: str) -> Any:
        return self.aws.client(service)

    def queue(self, name: str) -> tuple[str, str]:
        """A new queue's URL and ARN."""
        url = self.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def subscribed(
        self, topic: str, name: str, policy: dict[str, object] | None = None, *, raw: bool = False
    ) -> str:
        """The URL of a new queue that gets what passes a topic's filter."""
        url, arn = self.queue(name)
        attributes = {"RawMessageDelivery": str(raw).lower()}
        if policy:
            attributes["FilterPolicy"] = json.dumps(policy)
        self.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes
        )
        return url

    def ruled(self, name: str, pattern: dict[str, object], *, bus: str = "default") -> str:
        """The URL of a new queue that gets the events of a bus that fit a pattern."""
        url, arn = self.queue(name)
        events = self.client("events")
        events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
        return url

    def received(self, url: str) -> list[dict[str, Any]]:
        """The bodies of all messages of a queue, in order; they are taken away."""
        bodies: list[dict[str, Any]] = []
        while True:
            answer = self.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10)
            if "Messages" not in answer:
                return bodies
            for message in answer["Messages"]:
                bodies.append(json.loads(message["Body"]))
                self.client("sqs").delete_message(
                    QueueUrl=url, ReceiptHandle=message["ReceiptHandle"]
                )


def an_account(aws: Aws) -> Cloud:
    """An account with the four topics of a stack, which end in ``-low`` to ``-critical``."""
    opened = Cloud(aws)
    for level in LEVELS:
        opened.client("sns").create_topic(Name=f"plant-alerts-{level}")
    return opened
