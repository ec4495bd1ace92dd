"""Training from the command line and from Python, with the real detector on small pictures."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.e2e.conftest import Desk

import walkdown
from walkdown.errors import TrainingError


def weave(seed: int, *, broken: bool = False) -> Image.Image:
    """A woven texture; a broken one has a bright square from (60, 40) to (84, 60)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:96, :128]
    grey = 120 + 30 * np.sin(x / 5) * np.sin(y / 5) + rng.normal(0, 5, (96, 128))
    if broken:
        grey[40:60, 60:84] = 250
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def weaves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weaves")
    for kind, count in (("normal", 10), ("broken", 3)):
        (folder / kind).mkdir()
        for i in range(count):
            picture = weave(i + 50 * len(kind), broken=kind == "broken")
            picture.save(folder / kind / f"{i}.png")
    return folder


@pytest.fixture(scope="session")
def trained(weaves: Path) -> Path:
    """A workspace folder with the model `weave@1`, to be copied."""
    walkdown.train("weave", normal=weaves / "normal", workspace=weaves)
    return weaves / ".walkdown"


def test_train_inspect_and_train_again(desk: Desk, weaves: Path) -> None:
    normal, broken = str(weaves / "normal"), str(weaves / "broken")
    shutil.copy(weaves / "normal" / "3.png", desk.folder / "copy.png")
    (desk.folder / "torn.jpg").write_bytes(b"\xff\xd8\xff\xe0 torn")
    code, out, err = desk.run(
        "train", "weave", "--normal", normal, "copy.png", "torn.jpg", "--anomaly", broken
    )
    assert code == 0
    assert "weave@1 (now weave@live), from 10 normal images" in out
    assert "is a guess" in out
    assert "AUROC 1.000" in out
    assert "copy.png: an exact copy of" in err
    assert "torn.jpg" in err

    code, lines = desk.lines("inspect", normal, broken, "--model", "weave")
    assert code == 0
    verdicts = {(Path(line["image"]).parent.name, line["verdict"]) for line in lines}
    assert verdicts == {("normal", "normal"), ("broken", "anomaly")}
    for line in lines:
        if line["verdict"] == "anomaly":
            x, y, width, height = line["regions"][0]["box"]
            assert x < 72 < x + width
            assert y < 50 < y + height
            assert line["stages"][0]["p_normal"] == pytest.approx(1 / 11)

    again = desk.run("train", "weave", "--normal", normal, "--anomaly", broken)
    assert "weave@1" in again[1], "the same model"
    assert "weave@2" in desk.run("train", "weave", "--normal", normal, "--false-alarms", "20%")[1]
    _, out, _ = desk.run("models", "weave")
    rows = {line.split()[0]: line.split()[2] for line in out.splitlines()[1:]}
    assert rows == {"weave@1": "-", "weave@2": "live"}


def test_too_few_photographs_say_how_many_are_needed(desk: Desk, weaves: Path) -> None:
    files = [str(weaves / "normal" / f"{i}.png") for i in range(4)]
    code, _, err = desk.run("train", "weave", "--normal", *files)
    assert code == 1
    assert "at least 5 are needed" in err
    code, _, err = desk.run("train", "weave", "--normal", "nowhere")
    assert code == 1
    assert "nowhere" in err


def test_wrong_budgets_and_names_are_usage_errors(desk: Desk, weaves: Path) -> None:
    normal = str(weaves / "normal")
    for budget in ("0", "60%", "much"):
        code, _, err = desk.run("train", "w", "--normal", normal, "--false-alarms", budget)
        assert code == 2, budget
        assert budget in err
    code, _, err = desk.run("train", "../w", "--normal", normal)
    assert code == 1
    assert "'../w'" in err
    assert desk.run("train", "w")[0] == 2


def test_the_python_face(trained: Path, weaves: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / ".walkdown")
    model = walkdown.load("weave", workspace=tmp_path)
    array = np.asarray(weave(999, broken=True))
    missing = tmp_path / "missing.png"
    seen = model.predict([weaves / "normal" / "0.png", array, str(missing)])
    assert [p.verdict for p in seen] == ["normal", "anomaly", None]
    assert seen[1].score is not None
    assert seen[1].score > 0.5 > (seen[0].score or 1.0)
    heatmap = seen[1].heatmap
    assert heatmap is not None
    assert heatmap.shape == (96, 128)
    at = np.unravel_index(int(heatmap.argmax()), heatmap.shape)
    assert 40 <= at[0] < 60
    assert 60 <= at[1] < 84
    assert "missing.png" in (seen[2].error or "")
    (alone,) = model.predict(array)
    assert alone.raw_score == seen[1].raw_score, "no score depends on its neighbours"
    with pytest.raises(TrainingError):
        walkdown.train("few", normal=[weaves / "normal" / "0.png"], workspace=tmp_path)


def test_every_awkward_file_has_a_result_or_a_reason(
    desk: Desk, trained: Path, test_data: Path
) -> None:
    shutil.copytree(trained, desk.folder / "w" / ".walkdown")
    folder = test_data / "robustness"
    code, lines = desk.lines("inspect", str(folder), "--model", "weave", "--workspace", "w")
    assert code == 4
    files = {str(p) for p in folder.rglob("*") if p.is_file()}
    assert {line["image"] for line in lines} == files
    assert len(lines) == len(files)
    for line in lines:
        assert (line["verdict"] is not None) != bool(line["error"]), line
    done = [line for line in lines if line["status"] == "done"]
    assert len(done) >= 28
    upright = [line for line in done if "Landscape_" in line["image"]]
    scores = [line["raw_score"] for line in upright]
    assert len(scores) == 8
    assert max(scores) - min(scores) < 0.15 * max(scores), "orientation is applied before looking"
    assert any(line["taken_at"] for line in done)
