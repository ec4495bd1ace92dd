"""Models in SageMaker: endpoints, asynchronous ones and batch transform, over HTTP."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.services.aws_stub import Refused
from tests.services.cases_sagemaker import CASES, SCORE
from tests.services.sagemaker_stub import SageMaker, brightness, sagemaker, sagemaker_with_s3

from walkdown.cli.entry import run
from walkdown.errors import ArtefactError, ModelError
from walkdown.imaging.decode import decode
from walkdown.models import conformance
from walkdown.models.artefact import pack
from walkdown.models.conformance import examine
from walkdown.ports import JobModel, Model
from walkdown.registry import open_model
from walkdown.types import Photo, Verdict


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(conformance, "POLL_S", 0.01)


def grey(value: int, width: int = 64, height: int = 48) -> Photo:
    out = io.BytesIO()
    Image.fromarray(np.full((height, width, 3), value, np.uint8)).save(out, "JPEG")
    return decode(out.getvalue(), name="it")


def put(monkeypatch: pytest.MonkeyPatch, variables: Any) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("case", CASES)
def test_every_kind_keeps_to_what_every_model_must(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CASES[case]() as running:
        put(monkeypatch, running.variables)
        model = open_model(running.artefact, label="lines@1")
        found = list(examine(model, [grey(30), grey(220), grey(90)]))
    assert [(each.check, each.why) for each in found if each.why] == []


CARD = {"endpoint": "Lines-1", "region": "eu-central-1", "output": SCORE}


@contextmanager
def endpoint(
    monkeypatch: pytest.MonkeyPatch, answering: Any = brightness, **card: Any
) -> Iterator[tuple[Model, SageMaker]]:
    with sagemaker(answering) as account:
        put(monkeypatch, account.variables)
        yield open_model(pack("sagemaker", {**CARD, **card}, {}), label="lines@1"), account


def test_an_endpoint_is_asked_as_the_card_says(monkeypatch: pytest.MonkeyPatch) -> None:
    card = {"variant": "blue", "target_model": "a.tar.gz", "usd_per_image": 0.002}
    with endpoint(monkeypatch, **card) as (model, account):
        said = model.predict([grey(200)])[0]
    assert said.verdict is Verdict.ANOMALY
    assert said.raw_score == pytest.approx(200)
    assert said.cost_usd == 0.002
    (given,) = account.asked("InvokeEndpoint")
    assert given.pop("Body") == grey(200).data
    assert given == {
        "EndpointName": "Lines-1",
        "ContentType": "image/jpeg",
        "Accept": "application/json",
        "TargetVariant": "blue",
        "TargetModel": "a.tar.gz",
    }
    assert account.stub.calls[0].region == "eu-central-1"


def test_what_an_endpoint_may_and_shows_is_declared() -> None:
    made = pack("sagemaker", {**CARD, "inference_component": "Part"}, {})
    info = open_model(made, label="lines@1").info
    (permission,) = info.permissions
    assert permission.actions == ("sagemaker:InvokeEndpoint",)
    where = "arn:${AWS::Partition}:sagemaker:eu-central-1:${AWS::AccountId}:"
    assert permission.resources == (f"{where}endpoint/lines-1", f"{where}inference-component/part")
    assert (info.kind, set(info.capabilities)) == ("call", {"verdict"})
    assert info.threshold == 127.5


def test_a_throttled_endpoint_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with endpoint(monkeypatch) as (model, account):
        account.stub.refusals += [Refused("ThrottlingException", 429)] * 2
        assert model.predict([grey(200)])[0].verdict is Verdict.ANOMALY
        assert len(account.stub.calls) == 3


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (Refused("ModelError", 424, "Received server error (500) from primary"), "CloudWatch"),
        (Refused("ValidationError", 400, "Endpoint Lines-1 of account 1 not found."), "the region"),
        (Refused("AccessDeniedException", 403, "is not authorized to perform: "
                 "sagemaker:InvokeEndpoint on resource: x"), "do sagemaker:InvokeEndpoint"),
        (Refused("ExpiredTokenException", 403), "sign in again"),
    ],
)  # fmt: skip
def test_a_refusal_fails_its_photo_and_says_what_next(
    refusal: Refused, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with endpoint(monkeypatch, at_once=1) as (model, account):
        account.stub.refusals.append(refusal)
        bad, good = model.predict([grey(200), grey(10)])
    assert bad.error is not None
    assert bad.error.startswith("cannot ask the SageMaker endpoint Lines-1 in eu-central-1: AWS")
    assert words in bad.error
    assert good.verdict is Verdict.NORMAL


def test_an_endpoint_that_stays_throttled_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with endpoint(monkeypatch) as (model, account):
        account.stub.refusals += [Refused("ThrottlingException", 429)] * 6
        said = model.predict([grey(200)])[0]
    assert "asked: run again in a minute" in (said.error or "")


def test_a_model_that_is_being_loaded_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    with endpoint(monkeypatch) as (model, account):
        monkeypatch.setattr(model, "_sleep", waited.append)
        account.stub.refusals += [Refused("ModelNotReadyException", 429)] * 2
        assert model.predict([grey(200)])[0].verdict is Verdict.ANOMALY
        assert waited == [1.0, 2.0]
        account.stub.refusals += [Refused("ModelNotReadyException", 429)] * 6
        assert "still being loaded" in (model.predict([grey(200)])[0].error or "")


def test_without_network_or_credentials_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_model(pack("sagemaker", CARD, {}), label="lines@1")
    assert "run: aws configure" in (model.predict([grey(9)])[0].error or "")
    monkeypatch.setattr("time.sleep", lambda _: None)
    with sagemaker() as account:
        put(monkeypatch, account.variables)
    model = open_model(pack("sagemaker", CARD, {}), label="lines@1")
    assert "check the network" in (model.predict([grey(9)])[0].error or "")


@pytest.mark.parametrize(
    ("answer", "words"),
    [(b"<html>", "no JSON"), (b'{"predictions": []}', "a list of 0"), (b"[]", "a list of 0"),
     (b'{"predictions": [{"score": 900}]}', "correct the card")],
)  # fmt: skip
def test_a_malformed_answer_fails_its_photo_and_is_paid(
    answer: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with endpoint(monkeypatch, lambda *_: answer, usd_per_image=0.01) as (model, _):
        said = model.predict([grey(9)])[0]
    assert said.error is not None
    assert words in said.error
    assert said.error.startswith("the endpoint Lines-1: ")
    assert said.cost_usd == 0.01


def test_an_answer_that_is_too_large_is_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("walkdown.models.sagemaker.shelf.MOST_BYTES", 1000)
    answer = b'{"predictions": [{"score": 200}]}'
    with endpoint(monkeypatch, lambda *_: answer + b" " * 967, usd_per_image=0.01) as (model, _):
        assert model.predict([grey(9)])[0].error is None
    with endpoint(monkeypatch, lambda *_: answer + b" " * 968, usd_per_image=0.01) as (model, _):
        said = model.predict([grey(9)])[0]
    assert "the endpoint Lines-1: its answer has more than 1,000 bytes" in str(said.error)
    assert said.cost_usd == 0.01


def test_a_photograph_that_is_too_large_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"format": "tensor", "size": [60, 60], "max_bytes": 50_000}
    with endpoint(monkeypatch, input=keys) as (model, account):
        assert "takes 50,000 ('max_bytes')" in (model.predict([grey(9)])[0].error or "")
        assert account.stub.calls == []


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("sagemaker", {"endpint": "x"}, "unknown key 'endpint'; did you mean 'endpoint'?"),
        ("sagemaker", {"output": None}, "'output'"),
        ("sagemaker", {"region": "frankfurt"}, "'region'"),
        ("sagemaker", {"variant": "a", "inference_component": "b"}, "give one of them"),
        ("sagemaker", {"input": {"format": "tensor"}}, "needs a 'size'"),
        ("sagemaker_async", {"s3": "bucket/prefix"}, "'s3'"),
        *(("sagemaker_async", {"s3": f"s3://plant-1/{odd}x"}, "'s3'") for odd in "$*{} "),
        ("sagemaker_batch", {"s3": "s3://bucket-1/p"}, "'model' is missing"),
    ],
)
def test_a_wrong_card_is_told_when_it_is_opened(kind: str, change: Any, words: str) -> None:
    with pytest.raises(ArtefactError) as told:
        open_model(pack(kind, {**CARD, **change}, {}), label="lines@1")
    assert words in str(told.value)


@contextmanager
def job(
    kind: str, monkeypatch: pytest.MonkeyPatch, answering: Any = brightness,
    *, polls: int = 2, ends: Any = (), **card: Any
) -> Iterator[tuple[JobModel, SageMaker]]:  # fmt: skip
    with sagemaker_with_s3(answering, polls=polls, ends=iter(ends)) as account:
        put(monkeypatch, account.variables)
        keys = {"region": "eu-central-1", "output": SCORE, "usd_per_image": 0.01,
                "s3": f"s3://{account.variables['BUCKET']}/w"}  # fmt: skip
        keys |= {"endpoint": "lines"} if kind == "sagemaker_async" else {"model": "lines"}
        model: Any = open_model(pack(kind, {**keys, **card}, {}), label="lines@1")
        yield model, account


def again(model: JobModel) -> JobModel:
    """The same model as another process would open it."""
    other: Any = type(model).__new__(type(model))
    other.__dict__.update(model.__dict__)
    return other  # type: ignore[no-any-return]


def test_an_asynchronous_endpoint_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with job("sagemaker_async", monkeypatch) as (model, account):
        token = model.submit([grey(200), grey(10)])
        assert len(token) < 100
        given = account.asked("InvokeEndpointAsync")
        bucket = account.variables["BUCKET"]
        assert given[0]["InputLocation"].startswith(f"s3://{bucket}/w/input/")
        assert given[0]["InputLocation"].endswith(".jpg")
        assert model.ready(token)
        for _ in range(2):
            said = again(model).collect(token)
            assert [one.verdict for one in said] == [Verdict.ANOMALY, Verdict.NORMAL]
            assert [one.cost_usd for one in said] == [0.01, 0.01]


def test_an_answer_that_is_not_there_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with job("sagemaker_async", monkeypatch, timeout_s=60) as (model, account):
        token = model.submit([grey(200), grey(10)])
        bucket = account.variables["BUCKET"]
        kept = account.s3.get_object(Bucket=bucket, Key="async/out/1.out")["Body"].read()
        account.s3.delete_object(Bucket=bucket, Key="async/out/1.out")
        assert not model.ready(token)
        account.s3.put_object(Bucket=bucket, Key="async/out/1.out", Body=kept)
        assert model.ready(token)
        account.s3.delete_object(Bucket=bucket, Key="async/out/1.out")
        now = model._clock()  # type: ignore[attr-defined]
        monkeypatch.setattr(model, "_clock", lambda: now + 61)
        assert model.ready(token), "it has been waited for long enough"
        errors = [one.error or "" for one in model.collect(token)]
    assert sorted(errors)[0] == ""
    assert "gave no answer within 60 s" in max(errors)


def test_a_failure_of_an_asynchronous_endpoint_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def picky(body: bytes, kind: str) -> bytes:
        if json.loads(brightness(body, kind))["predictions"][0]["score"] > 100:
            raise Refused("ModelError", 424, 'Received server error (500): "out of memory"')
        return brightness(body, kind)

    with job("sagemaker_async", monkeypatch, picky) as (model, _):
        token = model.submit([grey(200), grey(10)])
        assert model.ready(token)
        bad, good = model.collect(token)
    assert "the endpoint lines failed: Received server error (500)" in (bad.error or "")
    assert good.verdict is Verdict.NORMAL


def test_a_batch_of_photographs_is_transformed(monkeypatch: pytest.MonkeyPatch) -> None:
    with job("sagemaker_batch", monkeypatch, polls=3) as (model, account):
        photos = [grey(200), grey(10), grey(240)]
        token = model.submit(photos)
        assert len(token) < 100
        assert [model.ready(token) for _ in range(3)] == [False, False, True]
        said = again(model).collect(token)
        assert [one.verdict for one in said] == [
            Verdict.ANOMALY, Verdict.NORMAL, Verdict.ANOMALY]  # fmt: skip
        assert model.submit(photos) == token, "what was submitted is found again"
        assert [one.raw_score for one in model.collect(token)] == [one.raw_score for one in said]
        assert len(account.jobs) == 1
        other = model.submit(photos[::-1])
        assert other != token
        (given, *_) = account.asked("CreateTransformJob")
    assert given["TransformInput"]["ContentType"] == "image/jpeg"
    assert given["BatchStrategy"] == "SingleRecord"


def test_a_transform_job_that_failed_has_what_it_got_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with job("sagemaker_batch", monkeypatch, polls=1, ends=["Failed"]) as (model, account):
        photos = [grey(200), grey(10)]
        token = model.submit(photos)
        assert model.ready(token)
        good, bad = model.collect(token)
        assert good.verdict is Verdict.ANOMALY
        assert "Failed (ClientError: see job logs); see its log in CloudWatch" in (bad.error or "")
        anew = model.submit(photos)
        assert anew != token, "a job that failed is begun anew"
        assert model.ready(anew)
        assert [one.error for one in model.collect(anew)] == [None, None]
        assert sorted(account.jobs) == [f"{min(account.jobs)[:-1]}{n}" for n in (1, 2)]


def test_a_job_whose_answers_were_cleared_away_is_begun_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with job("sagemaker_batch", monkeypatch, polls=1) as (model, account):
        token = model.submit([grey(10)])
        assert model.ready(token)
        bucket = account.variables["BUCKET"]
        for one in account.s3.list_objects_v2(Bucket=bucket, Prefix="w/")["Contents"]:
            account.s3.delete_object(Bucket=bucket, Key=one["Key"])
        anew = model.submit([grey(10)])
        assert anew != token
        assert model.ready(anew)
        assert model.collect(anew)[0].verdict is Verdict.NORMAL


@pytest.mark.parametrize("kind", ["sagemaker_async", "sagemaker_batch"])
def test_a_photograph_that_can_not_be_sent_fails_alone(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {"format": "png", "size": [90, 90], "max_bytes": 2_000}
    rng = np.random.default_rng(1)
    noise = replace(grey(9), pixels=rng.integers(0, 255, (90, 90, 3), np.uint8))
    with job(kind, monkeypatch, polls=1, input=keys) as (model, _):
        token = model.submit([noise, grey(10)])
        assert model.ready(token)
        bad, good = model.collect(token)
        assert "takes 2,000 ('max_bytes')" in (bad.error or "")
        assert good.verdict is Verdict.NORMAL
        alone = model.submit([noise])
        assert model.ready(alone)
        assert [one.error for one in model.collect(alone)] == [bad.error]


@pytest.mark.parametrize("kind", ["sagemaker_async", "sagemaker_batch"])
def test_a_lost_job_and_a_foreign_token_are_told(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with job(kind, monkeypatch) as (model, account):
        token = model.submit([grey(10)])
        bucket = account.variables["BUCKET"]
        for one in account.s3.list_objects_v2(Bucket=bucket, Prefix="w/")["Contents"]:
            account.s3.delete_object(Bucket=bucket, Key=one["Key"])
        with pytest.raises(ModelError, match="the job is lost"):
            model.collect(token)
        for foreign in ("", "jobs/../../x.json", '{"what": "../x", "number": 1}', "jobs/1.json"):
            with pytest.raises(ModelError, match="no such job"):
                model.collect(foreign)


@pytest.mark.parametrize("kind", ["sagemaker_async", "sagemaker_batch"])
def test_a_job_without_a_bucket_is_told(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        job(kind, monkeypatch, s3="s3://nobody-s/w") as (model, _),
        pytest.raises(ModelError, match="there is no such bucket"),
    ):
        model.submit([grey(10)])


def test_what_jobs_may_is_no_more_than_they_need() -> None:
    keys = {"region": "eu-central-1", "output": SCORE, "s3": "s3://plant-1/in"}
    waiting = open_model(
        pack("sagemaker_async", {**keys, "endpoint": "a", "output_s3": "s3://plant-2/out/"}, {}),
        label="x",
    ).info.permissions
    by = {action: one.resources for one in waiting for action in one.actions}
    s3 = "arn:${AWS::Partition}:s3:::"
    assert by["s3:PutObject"] == (f"{s3}plant-1/in/*",)
    assert by["s3:GetObject"] == (f"{s3}plant-1/in/*", f"{s3}plant-2/out/*")
    assert by["s3:ListBucket"] == (f"{s3}plant-1", f"{s3}plant-2")
    batch = open_model(pack("sagemaker_batch", {**keys, "model": "a"}, {}), label="x").info
    jobs = {action: one.resources for one in batch.permissions for action in one.actions}
    assert jobs["sagemaker:CreateTransformJob"] == jobs["sagemaker:DescribeTransformJob"]
    assert jobs["sagemaker:CreateTransformJob"][0].endswith(":transform-job/walkdown-*")


@pytest.mark.parametrize("kind", ["sagemaker", "sagemaker_async", "sagemaker_batch"])
def test_an_inspection_is_carried_out_by_every_kind(
    kind: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("walkdown.runners.jobs.POLL_S", 0.01)
    (tmp_path / "photos").mkdir()
    for level in (10, 30, 200, 60, 240):
        (tmp_path / "photos" / f"{level:03}.jpg").write_bytes(grey(level).data)
    (tmp_path / "photos" / "broken.jpg").write_bytes(grey(9).data[:150])
    with sagemaker() if kind == "sagemaker" else sagemaker_with_s3() as account:
        put(monkeypatch, account.variables)
        card: dict[str, Any] = {"kind": kind, "region": "eu-central-1", "output": SCORE}
        if kind != "sagemaker":
            card |= {"s3": f"s3://{account.variables['BUCKET']}/w", "photos_per_job": 2}
        card |= {"model": "lines"} if kind == "sagemaker_batch" else {"endpoint": "lines"}
        (tmp_path / "lines.json").write_text(json.dumps(card))
        assert run(["models", "add", "lines", "lines.json"]) == 0
        assert run(["inspect", "--model", "lines", "photos"]) == 4
        assert run(["results", "--json"]) == 0
    said = capsys.readouterr().out
    results = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    verdicts = {each["image"].split("/")[-1]: each.get("verdict") for each in results}
    assert {name for name, verdict in verdicts.items() if verdict == "anomaly"} == {
        "200.jpg", "240.jpg"}  # fmt: skip
    assert len(verdicts) == 6
