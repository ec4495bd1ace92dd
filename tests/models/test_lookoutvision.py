"""Any server that speaks the protocol of Lookout for Vision, as a model."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.services.aws_environment import Variables, nothing_else_of_aws
from tests.services.aws_stub import Refused, aws_stub
from tests.services.cases_lookoutvision import (
    CASES,
    KEYS,
    RED,
    card,
    classified,
    inspector,
    lookout,
    mask,
    segmented,
)

from walkdown.errors import ArtefactError, ModelError
from walkdown.imaging.decode import decode
from walkdown.models.conformance import examine, photo_of
from walkdown.models.lookoutvision import FINEST, LookoutVision
from walkdown.registry import open_model
from walkdown.sdk.aws import OWN_SERVICES, Aws
from walkdown.types import Photo, Prediction, RunState, Verdict


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> Variables:
    return nothing_else_of_aws(monkeypatch)


def noise(width: int, height: int, seed: int = 1) -> Photo:
    rng = np.random.default_rng(seed)
    return photo_of(rng.integers(0, 256, (height, width, 3), np.uint8))


PHOTO = noise(160, 120)


@pytest.fixture(autouse=True)
def keys(aws_environment: Variables) -> None:
    aws_environment(KEYS)


def says(answer: Any, photo: Photo = PHOTO, **more: Any) -> Prediction:
    with lookout(answer) as stub:
        (said,) = open_model(card(stub.url, **more), label="boards@1").predict([photo])
    return said


@pytest.mark.parametrize("case", sorted(CASES))
def test_it_keeps_to_what_every_model_must(case: str) -> None:
    photos = [photo_of(np.full((120, 160, 3), grey, np.uint8)) for grey in (40, 220, 90)]
    with CASES[case]() as running:
        model = open_model(running.artefact, label="boards@1")
        assert [(f.check, f.why) for f in examine(model, photos) if f.why] == []


@pytest.mark.parametrize(
    ("is_anomalous", "confidence", "score"),
    [(True, 0.9, 0.9), (False, 0.9, 0.1), (True, 0.5, 0.5), (False, 0.5, 0.4999),
     (True, 0.3, 0.5), (False, 1.0, 0.0), (True, 1.0, 1.0)],
)  # fmt: skip
def test_a_confidence_is_one_in_the_class_that_was_predicted(
    is_anomalous: bool, confidence: float, score: float
) -> None:
    said = says(classified(is_anomalous, confidence))
    assert said.score == pytest.approx(score)
    assert said.verdict is (Verdict.ANOMALY if is_anomalous else Verdict.NORMAL)
    assert (said.labels, said.regions, said.heatmap, said.cost_usd) == ((), (), None, None)


def test_the_mask_tells_places_by_label_on_the_original() -> None:
    """The mask has 80 x 60 px, the photograph 800 x 600; what has no area is no label."""
    said = says(segmented(), Photo(PHOTO.pixels, 800, 600, "c"), usd_per_image=0.002)
    assert said.labels == ("scratch", "stain")
    assert [(r.label, r.box, r.score) for r in said.regions] == [
        ("scratch", (80, 120, 320, 120), 0.9),
        ("stain", (600, 450, 120, 80), 0.9),
    ]
    assert [round(r.area_pct, 1) for r in said.regions] == [8.0, 2.0]
    assert said.heatmap is not None
    assert (said.heatmap.width_px, said.heatmap.height_px) == (800, 600)
    assert said.heatmap.grid.shape == (60, 80)
    assert float(said.heatmap.grid.sum()) == pytest.approx(0.9 * (32 * 12 + 12 * 8), rel=1e-4)
    assert said.cost_usd == 0.002


def test_a_normal_image_has_no_places_though_its_mask_may_mark_some() -> None:
    said = says(segmented(False, 0.8))
    assert (said.verdict, said.score) == (Verdict.NORMAL, 0.2)
    assert (said.labels, said.regions) == ((), ())
    assert said.heatmap is not None
    assert float(said.heatmap.grid.max()) == pytest.approx(0.2)


def test_what_the_mask_marks_in_no_colour_of_a_label_is_unnamed() -> None:
    answer = classified(True, 0.7)
    answer["DetectAnomalyResult"]["AnomalyMask"] = mask(80, 60, (RED, (8, 12, 32, 12)))
    said = says(answer)
    assert [(r.label, r.box) for r in said.regions] == [("anomaly", (16, 24, 64, 24))]


def test_a_fine_mask_is_made_coarser_and_stays_in_its_place() -> None:
    answer = classified(True, 0.7)
    drawn = mask(3000, 1500, (RED, (1500, 300, 300, 150)), (RED, (9, 9, 1, 1)))
    answer["DetectAnomalyResult"]["AnomalyMask"] = drawn
    said = says(answer, Photo(PHOTO.pixels, 3000, 1500, "c"))
    assert said.heatmap is not None
    assert max(said.heatmap.grid.shape) == FINEST
    assert len(said.regions) == 2, "a single pixel is not lost"
    x, y, width, height = max(said.regions, key=lambda r: r.area_pct).box
    for found, drawn_px in zip((x, y, x + width, y + height), (1500, 300, 1800, 450), strict=True):
        assert abs(found - drawn_px) <= 3


def test_the_request_is_the_protocols(aws_environment: Variables) -> None:
    out = io.BytesIO()
    Image.fromarray(PHOTO.pixels).save(out, "PNG")
    photo = decode(out.getvalue(), name="a", at_least_px=None, max_pixels=10**6)
    with lookout() as stub:
        open_model(card(stub.url, region="eu-west-1"), label="a").predict([photo, PHOTO])
    png, jpeg = sorted(stub.calls, key=lambda call: call.given["ContentType"], reverse=True)
    assert (png.service, png.operation, png.region) == (
        "lookoutvision",
        "DetectAnomalies",
        "eu-west-1",
    )
    assert png.given == {
        "ProjectName": "boards",
        "ModelVersion": "2",
        "ContentType": "image/png",
        "Body": out.getvalue(),
    }
    assert jpeg.given["ContentType"] == "image/jpeg"


def test_an_image_stays_within_the_limits() -> None:
    with lookout() as stub:
        model = open_model(card(stub.url), label="a")
        assert model.predict([noise(4500, 120)])[0].error is None
        sent = Image.open(io.BytesIO(stub.calls[0].given["Body"]))
        assert sent.width == 4096
        assert "63 px can't be sent: the service takes sides of 64 to 4096 px" in str(
            model.predict([noise(200, 63)])[0].error
        )
        assert len(stub.calls) == 1


class TestASmallServer:
    """What does not come from botocore's own hand."""

    def test_it_is_asked_and_understood(self) -> None:
        with inspector() as server:
            model = open_model(card(server.url + "/"), label="boards@1")
            bright, dark = (photo_of(np.full((96, 128, 3), g, np.uint8)) for g in (230, 30))
            said = model.predict([bright, dark])
        assert [p.error for p in said] == [None, None]
        assert [p.verdict for p in said] == [Verdict.ANOMALY, Verdict.NORMAL]
        assert [round(p.score or 0, 1) for p in said] == [0.9, 0.1]
        assert [(r.label, r.box) for r in said[0].regions] == [("bright", (32, 24, 64, 48))]
        (path, headers, body), _ = server.seen
        assert path == "/2020-11-20/projects/boards/models/2/detect"
        assert headers["Content-Type"] == "image/jpeg"
        assert "Transfer-Encoding" not in headers
        assert "Expect" not in headers
        assert "/us-east-1/lookoutvision/aws4_request" in headers["Authorization"]
        assert body[:2] == b"\xff\xd8"

    def test_a_version_that_is_not_there_is_told(self) -> None:
        with inspector() as server:
            (said,) = open_model(card(server.url, version="3"), label="b@1").predict([PHOTO])
        assert said.error == (
            f"b@1: {server.url} has no version 3 of a project 'boards'; check both in the card"
        )

    @pytest.mark.parametrize(
        "result",
        [
            {},
            {"DetectAnomalyResult": {}},
            {"DetectAnomalyResult": {"IsAnomalous": True}},
            {"DetectAnomalyResult": {"IsAnomalous": None, "Confidence": 0.5}},
            {"DetectAnomalyResult": {"IsAnomalous": True, "Confidence": 97}},
            {"DetectAnomalyResult": {"IsAnomalous": True, "Confidence": "NaN"}},
            {"DetectAnomalyResult": {"IsAnomalous": True, "Confidence": 1, "Anomalies": [{}]}},
            {"DetectAnomalyResult": {"IsAnomalous": True, "Confidence": 1, "AnomalyMask": "AAAA"}},
            {"DetectAnomalyResult": {"IsAnomalous": True, "Confidence": 1, "AnomalyMask": "?"}},
            {"DetectAnomalyResult": [3]},
        ],
    )
    def test_nonsense_is_told(self, result: dict[str, Any]) -> None:
        with inspector() as server:
            server.raw = 200, {}, json.dumps(result).encode()
            (said,) = open_model(card(server.url), label="b@1").predict([PHOTO])
        assert said.verdict is None
        told = str(said.error)
        assert "is not as the protocol has it" in told or "cannot ask http://127" in told

    @pytest.mark.parametrize("text", [b"[1]", b"null", b'{"a":' * 50_000, b"[" * 50_000])
    def test_what_is_nested_deeply_or_no_mapping_is_told(self, text: bytes) -> None:
        with inspector() as server:
            server.raw = 200, {}, text
            (said,) = open_model(card(server.url), label="b@1").predict([PHOTO])
        assert said.verdict is None
        assert "is not as the protocol has it" in str(said.error)

    def test_an_answer_that_is_too_large_is_not_read_to_its_end(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("walkdown.models.lookoutvision.MOST_BYTES", 100_000)
        fine = json.dumps(classified(False, 0.9)).encode()
        with inspector() as server:
            model = open_model(card(server.url), label="b@1")
            server.raw = 200, {}, fine + b" " * (100_000 - len(fine))
            assert model.predict([PHOTO])[0].error is None
            for status in (200, 400):
                server.raw = status, {}, fine + b" " * 100_000
                (said,) = model.predict([PHOTO])
                assert "the answer is larger than 100,000 bytes" in str(said.error)
            assert len(server.seen) == 3, "it is not asked again"

    def test_what_is_no_json_is_told(self) -> None:
        with inspector() as server:
            server.raw = 200, {"Content-Type": "text/html"}, b"<html>welcome</html>"
            (said,) = open_model(card(server.url), label="b@1").predict([PHOTO])
        assert said.verdict is None
        assert said.error


def test_a_server_that_is_busy_is_asked_again_and_then_told() -> None:
    with lookout() as stub:
        model = open_model(card(stub.url), label="b@1")
        stub.refusals += [
            Refused("ThrottlingException", 429),
            Refused("InternalServerException", 500),
        ]
        assert model.predict([PHOTO])[0].error is None
        stub.refusals += [Refused("ThrottlingException", 429)] * 6
        (said,) = model.predict([PHOTO])
        assert len(stub.calls) == 9
    assert f"cannot ask {stub.url} for b@1: AWS says ThrottlingException" in str(said.error)


def test_a_server_that_does_not_answer_is_told() -> None:
    with lookout() as stub:
        url = stub.url
    (said,) = open_model(card(url), label="b@1").predict([PHOTO])
    assert said.error == (
        f"b@1: {url} does not answer; see that the server runs, and check 'endpoint_url' in the "
        "card"
    )


def test_no_credentials_and_wrong_ones_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with lookout() as stub:
        model = open_model(card(stub.url), label="b@1")
        stub.refusals.append(Refused("AccessDeniedException", 403))
        assert "let your AWS user or role do" in str(model.predict([PHOTO])[0].error)
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        model = open_model(card(stub.url), label="b@1")
        assert "no AWS credentials were found" in str(model.predict([PHOTO])[0].error)


class TestStarting:
    """A model that the server hosts only while it is wanted."""

    def test_it_is_started_asked_and_stopped(self) -> None:
        status = ["TRAINED"]

        def turn(to: str, said: str) -> Any:
            def answer(given: dict[str, Any]) -> dict[str, Any]:
                if status[0] == to:
                    raise Refused("ConflictException", 409, "it is so already")
                status[0] = to
                return {"Status": said}

            return answer

        def detect(given: dict[str, Any]) -> dict[str, Any]:
            if status[0] != "HOSTED":
                raise Refused("ConflictException", 409, "it is not hosted")
            return classified(False, 0.9)

        answers = {
            "StartModel": turn("HOSTED", "STARTING_HOSTING"),
            "StopModel": turn("TRAINED", "STOPPING_HOSTING"),
            "DescribeModel": lambda _: {"ModelDescription": {"Status": status[0]}},
            "DetectAnomalies": detect,
        }
        with aws_stub({("lookoutvision", name): each for name, each in answers.items()}) as stub:
            artefact = card(stub.url, inference_units=3, usd_per_unit_hour=4.0)
            model = LookoutVision(artefact, label="boards@1")
            assert model.state() == RunState("stopped", 3, 12.0, "TRAINED", stub.url)
            told = str(model.predict([PHOTO])[0].error)
            assert "does not run there; start it: walkdown models start boards@1" in told
            assert "it is not hosted" in told
            assert model.start().status == "starting"
            assert stub.calls[-1].given["MinInferenceUnits"] == 3
            assert model.start().status == "running", "once more is no error"
            assert model.predict([PHOTO])[0].error is None
            assert model.stop().status == "stopping"
            assert model.stop().status == "stopped"
            status[0] = "TRAINING_FAILED"
            assert model.state().status == "failed"
            stub.refusals.append(Refused("ConflictException", 409))
            with pytest.raises(ModelError, match=r"is failed \(its service says TRAINING_FAILED"):
                model.start()

    def test_a_server_without_such_a_model_is_told(self) -> None:
        with lookout() as stub:
            model = LookoutVision(card(stub.url), label="b@1")
            stub.refusals.append(Refused("ResourceNotFoundException", 404))
            with pytest.raises(ModelError, match="has no version 2 of a project 'boards'"):
                model.stop()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"url": "boards.example.com"}, "an address such as https://"),
        ({"url": "ftp://boards.example.com"}, "must be http:// or https:// and a host"),
        ({"url": "http://169.254.169.254"}, "is where a cloud machine learns"),
        ({"url": "http://2852039166"}, "written oddly"),
        ({"project": "a b"}, "'project'"),
        ({"version": "0"}, "'version'"),
        ({"version": 2}, "'version' must be text; put it in quotes (it is 2)"),
        ({"per_second": 0}, "'per_second'"),
        ({"threshold": 0.5}, "unknown key 'threshold'"),
    ],
)
def test_a_wrong_card_is_told_when_it_is_opened(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ArtefactError) as e:
        open_model(card(**{"url": "http://127.0.0.1:1", **more}), label="b@new")
    assert words in str(e.value)


def test_an_address_with_a_password_is_refused_and_not_shown() -> None:
    with pytest.raises(ArtefactError) as e:
        open_model(card("https://me:hush@boards.example.com"), label="b@new")
    assert "must hold no user, password" in str(e.value)
    assert "hush" not in str(e.value)


def test_our_description_is_botocores_form_and_comes_after_its_own() -> None:
    client = Aws(region="eu-west-1", endpoint_url="http://127.0.0.1:1").client("lookoutvision")
    model = client.meta.service_model
    assert model.signing_name == "lookoutvision"
    for name in model.operation_names:
        operation = model.operation_model(name)
        assert operation.input_shape.members
        assert operation.output_shape.members
        assert {e.name for e in operation.error_shapes} >= {"ThrottlingException"}
    path = Path(OWN_SERVICES) / "lookoutvision" / "2020-11-20" / "service-2.json"
    assert set(json.loads(path.read_text())["operations"]) == set(model.operation_names)
    assert Aws(region="eu-west-1").client("s3").meta.service_model.service_id == "S3"
