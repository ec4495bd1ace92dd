"""One model says the same by every way of asking it: on small photographs made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.parity.agreeing import WAYS, agree
from tests.parity.faces import Trained, by_python

import walkdown
from walkdown.app import training
from walkdown.models.looking import InputSize
from walkdown.training import memory_bank
from walkdown.training.choosing import FINE, Candidate, Choice
from walkdown.training.crossfit import WEIGHTS
from walkdown.wiring import open_workspace

SIZE = (300, 160)


def weave(seed: int, size: tuple[int, int], *, broken: bool = False) -> Image.Image:
    """A woven texture in colour; a broken one has a bright square in the middle."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[1], : size[0]]
    grey = 120 + 30 * np.sin(x / 5) * np.sin(y / 5) + rng.normal(0, 5, (size[1], size[0]))
    if broken:
        grey[size[1] // 2 - 12 : size[1] // 2 + 12, size[0] // 2 - 12 : size[0] // 2 + 12] = 250
    tinted = np.stack([grey, 0.9 * grey, 0.8 * grey + rng.normal(0, 3, grey.shape)], axis=2)
    return Image.fromarray(tinted.clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def weaves(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Normal and broken photographs, and new ones of many sizes and formats."""
    folder = tmp_path_factory.mktemp("parity")
    for name in ("normal", "broken", "new"):
        (folder / name).mkdir()
    for i in range(8):
        weave(i, SIZE).save(folder / "normal" / f"{i}.png")
    for i in range(3):
        weave(20 + i, SIZE, broken=True).save(folder / "broken" / f"{i}.png")
    new = folder / "new"
    for i in range(6):
        weave(40 + i, SIZE, broken=i > 3).save(new / f"like{i}.png")
    weave(50, SIZE).convert("L").save(new / "grey.png")
    weave(51, (90, 64), broken=True).save(new / "small.png")
    weave(52, (2000, 1301)).save(new / "large.jpg", quality=90)
    weave(54, (1900, 700)).save(new / "large.png", compress_level=1)
    turned = Image.Exif()
    turned[0x0112] = 6
    weave(53, (1801, 1100), broken=True).save(new / "turned.jpg", quality=90, exif=turned)
    return folder


@pytest.fixture(scope="session", params=["fast", "tiles and a head"])
def trained(
    request: pytest.FixtureRequest, weaves: Path, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    """A model that looks at photographs in one piece, and one with all that a model can have."""
    workspace = tmp_path_factory.mktemp("workspace")
    if request.param == "fast":
        walkdown.train("m", normal=weaves / "normal", fast=True, workspace=workspace)
        return Trained("m", workspace)
    choice = Choice(Candidate(InputSize(608, 32, 416), FINE), worst_pct=0.2)
    app = open_workspace(str(workspace))
    with pytest.MonkeyPatch.context() as patch:
        # A head that what is so clearly broken does not need.
        most = len(WEIGHTS) - 1, [1.0] * len(WEIGHTS)
        patch.setattr(memory_bank, "least_as_good", lambda *_, **_options: most)
        training.train(
            app,
            "m",
            normal=[str(weaves / "normal")],
            anomaly=[str(weaves / "broken")],
            options=memory_bank.Options(choice=choice, fine_bank=1100, folds=2),
            progress=Quiet(),
        )
    app.close()
    return Trained("m", workspace)


class Quiet:
    """Progress that nobody watches."""

    def start(self, what: str, total: int | None) -> None:
        """Nothing."""

    def advance(self, count: int = 1) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""


def test_every_way_says_the_same(trained: Trained, weaves: Path) -> None:
    files = sorted((weaves / "new").iterdir())
    reference = by_python(trained, files)
    assert {said.verdict for said in reference.values()} == {"normal", "anomaly"}
    for name, way in WAYS.items():
        agree(name, reference, way(trained, files))


def test_models_have_what_their_scores_are_to_agree_in(trained: Trained) -> None:
    tiled = trained.card["input"]["tile_px"] is not None
    assert trained.card["head"] == tiled
