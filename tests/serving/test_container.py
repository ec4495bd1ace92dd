"""The container as a process: a model's folder, asked by the kind `sagemaker` through its API."""

from __future__ import annotations

import io
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.contracts.test_model_contract import Silence
from tests.services.aws_stub import Refused
from tests.services.sagemaker_stub import sagemaker
from tests.serving.asking import ask, container, folder_of, image, port_of

from walkdown.imaging.decode import decode
from walkdown.models import artefact
from walkdown.models.artefact import Artefact, pack
from walkdown.models.conformance import examine
from walkdown.models.fake import fake_artefact
from walkdown.registry import open_model
from walkdown.training import memory_bank
from walkdown.types import ImageRef, Photo, Verdict


def weave(seed: int, *, broken: bool = False, width: int = 192) -> Photo:
    """A photograph of a dark weave, as a PNG, under a white patch if it is broken."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:160, :width]
    grey = 60 + 30 * np.sin(x / 5) * np.sin(y / 5) + rng.normal(0, 5, (160, width))
    if broken:
        grey[20:150, 10:180] = 255
    pixels = np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    return decode(_png(pixels), name="weave")


def large_jpeg(input_px: int | None) -> Photo:
    """A photograph of a camera, decoded as an inspection decodes it for a model of that size."""
    image = Image.fromarray(weave(21, broken=True).pixels).resize((1536, 1280))
    out = io.BytesIO()
    image.save(out, "JPEG")
    return decode(out.getvalue(), name="weave", at_least_px=input_px)


def _png(pixels: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def bank() -> Artefact:
    """A memory bank fitted on six tiny photographs."""
    photos = {f"{i}.png": weave(i) for i in range(6)}
    refs = [ImageRef(f"memory:{name}", "1", name, name) for name in photos]
    options = memory_bank.Options(wide_bank=150, fine_bank=150, pool_numbers=900_000, fast=True)
    return memory_bank.fit(
        refs, lambda ref, _: photos[ref.name], options=options, workers=2, progress=Silence()
    ).artefact


def forwarding(port: int) -> Any:
    """InvokeEndpoint as SageMaker does it: the body goes to the container, the answer back."""

    def forward(body: bytes, content_type: str) -> bytes:
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        status, _, data = ask(port, "/invocations", body, headers)
        if status != 200:
            raise Refused("ModelError", 424, f"Received error ({status}): {data.decode()}")
        return data

    return forward


CARD = {
    "endpoint": "lines",
    "region": "eu-central-1",
    "input": {"format": "png"},
    "output": "walkdown",
}


def test_a_served_model_says_what_it_says_here(
    bank: Artefact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = open_model(bank, label="lines@1")
    photos = [weave(20), weave(21, broken=True), weave(22), weave(23, broken=True, width=333)]
    large = large_jpeg(here.info.input_px)
    assert large.pixels.shape[1] < large.width_px, "it was decoded smaller"
    with container(folder_of(bank, tmp_path / "model")) as process:
        with sagemaker(forwarding(port_of(process))) as account:
            for name, value in account.variables.items():
                monkeypatch.setenv(name, value)
            there = open_model(pack("sagemaker", CARD, {}), label="lines@2")
            said = there.predict(photos)
            found = list(examine(there, photos))
            as_jpeg = open_model(pack("sagemaker", CARD | {"input": {}}, {}), label="lines@3")
            large_there = as_jpeg.predict([large])[0]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    expected = [here.predict([photo])[0] for photo in photos]
    assert [one.verdict for one in said] == [one.verdict for one in expected]
    assert {one.verdict for one in said} == {Verdict.NORMAL, Verdict.ANOMALY}
    for one, other in zip(said, expected, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)
        assert one.raw_score == pytest.approx(other.raw_score, abs=1e-5)
        assert one.heatmap is not None
        assert other.heatmap is not None
        assert np.allclose(one.heatmap.grid, other.heatmap.grid, atol=1e-5)
        assert [r.box for r in one.regions] == [r.box for r in other.regions]
        assert one.p_normal == other.p_normal
    assert [(each.check, each.why) for each in found if each.why] == []
    large_here = here.predict([large])[0]
    assert large_there.raw_score == pytest.approx(large_here.raw_score, abs=1e-5)
    assert [r.box for r in large_there.regions] == [r.box for r in large_here.regions]
    assert large_there.regions


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, said = process.communicate(timeout=60)
    return process.returncode, said


def test_a_folder_without_a_model_or_with_a_changed_one_is_told(tmp_path: Path) -> None:
    with container(tmp_path / "nothing") as process:
        code, said = ended(process)
    assert (code, "holds no model: card.json is not there" in said) == (1, True)
    changed = folder_of(pack("fake", {"salt": ""}, {"w.bin": b"numbers"}), tmp_path / "model")
    (changed / "w.bin").write_bytes(b"others")
    with container(changed) as process:
        code, said = ended(process)
    assert (code, "the file w.bin was changed since the model was made" in said) == (1, True)


def test_other_words_and_ports_are_told(tmp_path: Path) -> None:
    with container(tmp_path, "evaluate") as process:
        assert ended(process) == (2, "ERROR walkdown: error: say serve or train\n")
    with container(tmp_path, SAGEMAKER_BIND_TO_PORT="http") as process:
        code, said = ended(process)
    assert (code, "SAGEMAKER_BIND_TO_PORT is no port: http" in said) == (1, True)


def test_a_bad_image_is_told_to_who_asked(tmp_path: Path) -> None:
    with container(folder_of(fake_artefact(), tmp_path / "model")) as process:
        port = port_of(process)
        assert ask(port, "/ping")[0] == 200
        status, _, body = ask(port, "/invocations", b"no image", {"Content-Type": "image/png"})
        assert status == 400
        assert str(tmp_path) not in body.decode()
        assert ask(port, "/invocations", image(9), {"Content-Type": "image/jpeg"})[0] == 200


def test_a_training_job_leaves_a_model_that_is_served(tmp_path: Path) -> None:
    data, model = tmp_path / "input" / "data", tmp_path / "model"
    for channel, count in (("normal", 8), ("anomaly", 2)):
        (data / channel).mkdir(parents=True)
        for i in range(count):
            photo = weave(i, broken=channel == "anomaly")
            (data / channel / f"{i}.png").write_bytes(photo.data)
    settings = tmp_path / "input" / "config" / "hyperparameters.json"
    settings.parent.mkdir()
    settings.write_text('{"fast": "true", "false_alarms": "0.1"}')
    where = {"SM_INPUT_DIR": str(tmp_path / "input"), "SM_OUTPUT_DIR": str(tmp_path / "output")}
    with container(model, "train", **where) as process:
        code, said = ended(process)
    assert code == 0, said
    assert "trained on 8 photographs" in said
    trained = open_model(artefact.load_folder(model), label="x")
    verdicts = [trained.predict([weave(99, broken=broken)])[0].verdict for broken in (False, True)]
    assert verdicts == [Verdict.NORMAL, Verdict.ANOMALY]
    settings.write_text('{"epochs": "10"}')
    with container(model, "train", **where) as process:
        code, said = ended(process)
    failure = (tmp_path / "output" / "failure").read_text()
    assert code == 1
    assert "the hyperparameter epochs" in failure
    assert "there are: false_alarms, recall, fast" in failure


def test_a_training_job_without_photographs_is_told(tmp_path: Path) -> None:
    where = {"SM_INPUT_DIR": str(tmp_path), "SM_OUTPUT_DIR": str(tmp_path / "output")}
    with container(tmp_path / "model", "train", **where) as process:
        code, _ = ended(process)
    assert code == 1
    assert "no channel 'normal'" in (tmp_path / "output" / "failure").read_text()
