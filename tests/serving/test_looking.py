"""From bodies of requests to answers."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.serving.asking import image

from walkdown.imaging.decode import decode
from walkdown.models.fake import Fake, fake_artefact
from walkdown.serving import looking
from walkdown.serving.looking import JSON, JSON_LINES, Answer, Refusal, answered

MODEL = Fake(fake_artefact(), label="cells@1")


def said(body: bytes, content_type: str = "image/jpeg", accept: str = "") -> Answer:
    return answered(MODEL, body, content_type=content_type, accept=accept)


def texts(*bodies: bytes) -> bytes:
    return json.dumps({"images": [base64.b64encode(each).decode() for each in bodies]}).encode()


@pytest.mark.parametrize(
    ("form", "kind"),
    [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("PNG", "application/x-image"),
     ("JPEG", "Image/JPEG; q=1"), ("TIFF", "image/tiff"), ("JPEG", "application/octet-stream")],
)  # fmt: skip
def test_one_image_is_answered_by_one_value(form: str, kind: str) -> None:
    answer = said(image(200, form), kind)
    value = json.loads(answer.data)
    assert answer.content_type == JSON
    assert (value["walkdown"], value["verdict"]) == (1, "anomaly")
    assert (value["width_px"], value["height_px"]) == (64, 48)
    assert value["regions"][0]["box"] == [0, 0, 64, 48]
    assert value["score"] == pytest.approx(200 / 255, abs=0.01)
    assert value["error"] is None


def test_several_images_are_answered_in_order_and_fail_alone() -> None:
    levels = [10, 250, 30, 240, 20, 230]
    bodies = [image(level) for level in levels]
    value = json.loads(said(texts(*bodies[:3], b"no image", *bodies[3:]), JSON).data)
    assert "the image: " in value[3]["error"]
    scores = [each["score"] for each in value if each["error"] is None]
    assert scores == pytest.approx([level / 255 for level in levels], abs=0.01)
    assert json.loads(said(texts(), JSON).data) == []


def test_json_lines_have_a_line_for_each_image() -> None:
    for accept in (JSON_LINES, "text/csv, application/jsonlines;q=0.5"):
        answer = said(texts(image(10), image(250)), JSON, accept)
        lines = answer.data.decode().splitlines()
        assert [json.loads(line)["verdict"] for line in lines] == ["normal", "anomaly"]
        assert answer.content_type == JSON_LINES
    assert said(image(10), accept=JSON_LINES).data.count(b"\n") == 1


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "text/csv, application/*"])
def test_json_is_what_is_answered_otherwise(accept: str) -> None:
    assert said(image(10), accept=accept).content_type == JSON


@pytest.mark.parametrize(
    ("body", "kind", "accept", "status", "words"),
    [
        (b"hello", "image/jpeg", "", 400, "the image: "),
        (image(9)[:200], "image/jpeg", "", 400, "the image: "),
        (b"", "image/png", "", 400, "the image: "),
        (b"{", JSON, "", 400, "no JSON"),
        (b"[" * 100_000, JSON, "", 400, "no JSON"),
        (b"[]", JSON, "", 400, '{"images": ["..."]}'),
        (b'{"images": [1]}', JSON, "", 400, "base64"),
        (json.dumps({"images": [""] * 101}).encode(), JSON, "", 413, "too many"),
        (image(9), "text/csv", "", 415, "text/csv is not taken: send image/jpeg"),
        (image(9), "", "", 415, "no content type"),
        (image(9), "image/png", "text/csv", 406, "can't be answered"),
    ],
)
def test_what_can_not_be_answered_is_refused(
    body: bytes, kind: str, accept: str, status: int, words: str
) -> None:
    with pytest.raises(Refusal) as refused:
        said(body, kind, accept)
    assert refused.value.status == status
    assert words in str(refused.value)


@pytest.mark.parametrize("text", ["%%%", "\u00e9\u00e9\u00e9\u00e9"])
def test_a_text_that_is_no_base64_fails_alone(text: str) -> None:
    value = json.loads(said(json.dumps({"images": [text]}).encode(), JSON).data)
    assert value[0]["error"] == "the image: it is no base64"


def test_only_as_many_images_are_decoded_at_once_as_the_model_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held, most = 0, 0

    def decoded(*args: Any, **more: Any) -> Any:
        nonlocal held, most
        held += 1
        most = max(most, held)
        return decode(*args, **more)

    def predicted(photos: Any) -> Any:
        nonlocal held
        held -= len(photos)
        return Fake(fake_artefact(), label="cells@1").predict(photos)

    monkeypatch.setattr(looking, "decode", decoded)
    monkeypatch.setattr(MODEL, "predict", predicted)
    count = 3 * MODEL.info.max_batch
    assert len(json.loads(said(texts(*[image(9)] * count), JSON).data)) == count
    assert most == MODEL.info.max_batch


def test_images_of_very_many_pixels_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "MAX_PIXELS", 2 * 64 * 48)
    assert len(json.loads(said(texts(image(9), image(9)), JSON).data)) == 2
    with pytest.raises(Refusal, match="pixels together") as refused:
        said(texts(image(9), image(9), image(9)), JSON)
    assert refused.value.status == 413


def test_a_model_that_answers_nonsense_fails_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Any = lambda photos: []  # noqa: E731
    monkeypatch.setattr(MODEL, "predict", nothing)
    assert "0 predictions for 1 images" in json.loads(said(image(9)).data)["error"]


@given(st.binary(max_size=200), st.sampled_from(["image/png", JSON, "x/y", ""]), st.text())
def test_any_body_is_answered_or_refused(body: bytes, kind: str, accept: str) -> None:
    with contextlib.suppress(Refusal):
        assert said(body, kind, accept).data
