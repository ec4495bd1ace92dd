"""What the long proofs share: launchers, a receiver of alerts, and scenes made once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.proof.agreement import store_of
from tests.proof.launcher import Launcher, launchers
from tests.proof.scenes import (
    Receiver,
    Scene,
    a_run,
    cable_photos,
    fake_models,
    plain_photos,
    receiver,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@pytest.fixture(scope="session")
def pair() -> Iterator[Sequence[Launcher]]:
    """Two launchers."""
    with launchers(2) as made:
        yield made


@pytest.fixture(scope="session")
def hook() -> Iterator[Receiver]:
    """A receiver of alerts."""
    with receiver() as running:
        yield running


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Twelve plain photographs and two fake models."""
    folder = tmp_path_factory.mktemp("plain")
    return Scene(plain_photos(folder / "photos"), fake_models(folder / "seed"), 0.45)


@pytest.fixture(scope="session")
def normals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight normal photographs to train on."""
    return cable_photos(tmp_path_factory.mktemp("normals"), 8, seed=1)


@pytest.fixture(scope="session")
def trained(
    tmp_path_factory: pytest.TempPathFactory, pair: Sequence[Launcher], normals: Path
) -> tuple[Path, str, float]:
    """A workspace with real models ``first`` (its digest, its seconds of training) and ``second``.

    The other model has learned other photographs.
    """
    folder = tmp_path_factory.mktemp("trained") / "seed"
    others = cable_photos(folder.parent / "others", 8, seed=5)
    for name, photos in (("second", others), ("first", normals)):
        args = ("train", name, "--normal", str(photos), "--workspace", str(folder))
        ended = pair[0].run(a_run(folder, name, (*args, "--workers", "1")))
        assert ended.code == 0, ended.text()
    with store_of(folder) as store:
        (version,) = store.versions("first")
    return folder, version.digest, ended.wall_s


@pytest.fixture(scope="session")
def cables(tmp_path_factory: pytest.TempPathFactory, trained: tuple[Path, str, float]) -> Scene:
    """Forty photographs, some with a bright spot, and two real models."""
    photos = cable_photos(tmp_path_factory.mktemp("cables"), 40, seed=2, spoilt=3)
    return Scene(photos, trained[0], 0.45)
