"""Classes of whole images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.models.graphs.opening import grey, opened, said
from tests.services import graphs

from walkdown.errors import ArtefactError
from walkdown.types import Verdict

CARD: dict[str, Any] = {
    "task": "classification",
    "labels": ["dark", "bright"],
    "anomalies": ["bright"],
}


@pytest.mark.parametrize("softmax", [False, True])
def test_the_probability_of_the_anomalies_is_the_raw_score(softmax: bool) -> None:
    """Of logits as of probabilities: which they are is seen."""
    model = opened(graphs.classifier(softmax=softmax), **CARD)
    for value in (60, 120, 130, 220):
        (found,) = model.predict([grey(value)])
        steep = 20.0 * (value / 255 - 0.5)
        assert found.raw_score == pytest.approx(1 / (1 + np.exp(-2 * steep)), abs=1e-4)
        assert found.score == pytest.approx(found.raw_score, abs=1e-4)
        assert found.verdict is (Verdict.ANOMALY if value > 127 else Verdict.NORMAL)
        assert found.labels == (("bright",) if value > 127 else ())


def test_what_is_not_normal_is_an_anomaly() -> None:
    card = {**CARD, "normal": ["bright"]}
    del card["anomalies"]
    assert said(graphs.classifier(), grey(40), **card).labels == ("dark",)
    assert said(graphs.classifier(), grey(220), **card).verdict is Verdict.NORMAL


def test_the_threshold_is_where_a_score_is_a_half() -> None:
    at = said(graphs.classifier(steep=2.0), grey(191), **CARD).raw_score
    assert at is not None
    for threshold, verdict in ((at - 0.01, Verdict.ANOMALY), (at + 0.01, Verdict.NORMAL)):
        found = said(graphs.classifier(steep=2.0), grey(191), **CARD, threshold=threshold)
        assert found.verdict is verdict
        assert found.score == pytest.approx(0.5, abs=0.02)
        assert found.raw_score == at


def test_with_sigmoid_each_class_is_for_itself() -> None:
    made = graphs.Making()
    mean = made.shaped(made.do("ReduceMean", made.brightness, axes=[1, 2, 3], keepdims=1), -1, 1)
    three = made.do("Concat", mean, made.times(mean, 2.0), made.times(mean, -9.0), axis=1)
    found = said(
        made.bytes({"scores": three}), grey(255), task="classification", activation="sigmoid",
        labels=["rust", "crack", "clean"], anomalies=["rust", "crack"],
    )  # fmt: skip
    assert found.raw_score == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert found.labels == ("crack", "rust")


def test_probabilities_of_classes_that_do_not_exclude_each_other_are_said_to_be() -> None:
    made = graphs.Making()
    mean = made.shaped(made.do("ReduceMean", made.brightness, axes=[1, 2, 3], keepdims=1), -1, 1)
    graph = made.bytes({"p": made.do("Concat", mean, made.times(mean, 0.9), axis=1)})
    card: dict[str, Any] = {"task": "classification", "labels": ["a", "b"], "anomalies": ["a", "b"]}
    with pytest.raises(ArtefactError, match="say activation: none"):
        opened(graph, **card)
    found = said(graph, grey(204), **card, activation="none")
    assert found.raw_score == pytest.approx(0.8, abs=1e-4)  # of one of them, not of both
    assert found.labels == ("a", "b")


def test_one_class_needs_no_list_of_anomalies() -> None:
    made = graphs.Making()
    mean = made.do("ReduceMean", made.brightness, axes=[1, 2, 3], keepdims=1)
    graph = made.bytes({"p": made.shaped(mean, 1, 1)})
    card = {"task": "classification", "labels": "bright"}
    with pytest.raises(ArtefactError, match="say activation: none"):
        opened(graph, **card)  # a number between 0 and 1 may be a logit
    found = said(graph, grey(204), **card, activation="none")
    assert (found.verdict, found.labels) == (Verdict.ANOMALY, ("bright",))
    assert found.raw_score == pytest.approx(0.8, abs=1e-4)


def test_labels_come_from_a_file_or_from_the_graph() -> None:
    card = {"task": "classification", "normal": ["dull"]}
    files = {"labels.txt": b"\xef\xbb\xbfdull\r\n shiny \n\n"}
    assert said(graphs.classifier(), grey(250), **card, files=files).labels == ("shiny",)
    made = graphs.Making()
    mean = made.shaped(made.do("ReduceMean", made.brightness, axes=[1, 2, 3], keepdims=1), -1, 1)
    both = made.do("Concat", made.plus(mean, -0.9), mean, axis=1)
    graph = made.bytes({"out": both}, metadata={"names": "{1: 'shiny', 0: 'dull'}"})
    assert said(graph, grey(250), **card).labels == ("shiny",)


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"labels": ["a", "b", "c"], "normal": ["a"]}, "3 labels, and its graph gives logits"),
        ({"labels": []}, "list them in its card"),
        ({"labels": ["a", "b"]}, "which labels are 'anomalies'"),
        ({"labels": ["a", "b"], "anomalies": ["c"]}, "no label 'c'"),
        ({"labels": ["a", "b"], "normal": ["a", "b"]}, "nothing could be an anomaly"),
        ({"labels": ["a", "b"], "anomalies": ["a"], "normal": ["b"]}, "'anomalies' or 'normal'"),
        ({"labels": ["a", "b"], "anomalies": ["a"], "output": "x"}, "no output 'x'"),
        ({"labels": ["a", "b"], "anomalies": ["a"], "treshold": 1}, "treshold"),
        ({"labels": ["a", "b"], "anomalies": ["a"], "threshold": 1}, "threshold"),
    ],
)
def test_what_is_wrong_with_a_card_is_said_when_it_is_opened(
    card: dict[str, Any], words: str
) -> None:
    with pytest.raises(ArtefactError) as raised:
        opened(graphs.classifier(), task="classification", **card)
    assert words in str(raised.value)
    assert "m@1" in str(raised.value)


def test_logits_that_are_called_probabilities_are_an_error_of_the_image() -> None:
    (found,) = opened(graphs.classifier(), **CARD, activation="none").predict([grey(250)])
    assert found.verdict is None
    assert "say activation: softmax or sigmoid" in str(found.error)
