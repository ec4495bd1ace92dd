"""Adding to a model: what stays, what is learned, and what is refused, on small made pictures."""

from __future__ import annotations

import io
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from walkdown.cli.progress import Silent
from walkdown.errors import ArtefactError, TrainingError
from walkdown.models import artefact, memory_bank
from walkdown.models.artefact import Artefact
from walkdown.models.bank import Head
from walkdown.models.fake import fake_artefact
from walkdown.models.memory_bank import MemoryBank
from walkdown.training import extending
from walkdown.training.demands import Demand
from walkdown.training.memory_bank import Fit, Options, fit
from walkdown.types import ImageRef, Photo

if TYPE_CHECKING:
    from collections.abc import Iterable

SMALL = Options(fast=True, wide_bank=120, pool_numbers=2_000_000, folds=3)


def pixels(name: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A weave for names such as "w3", a board of stripes for names such as "s3"."""
    rng = np.random.default_rng(int(name[1:]))
    y, x = np.mgrid[:96, :128]
    wave = np.sin(x / 5) * np.sin(y / 5) if name[0] == "w" else np.sign(np.sin((x + y) / 4))
    grey = 120 + 40 * wave + rng.normal(0, 5, (96, 128))
    return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def load(ref: ImageRef, _: int | None) -> Photo:
    image = pixels(ref.name)
    return Photo(image, 128, 96, sha256(image.tobytes()).hexdigest())


def refs(names: Iterable[str]) -> list[ImageRef]:
    return [ImageRef(name, "1", name, name) for name in names]


def added(
    old: Artefact,
    names: Iterable[str],
    *,
    demand: Demand | None = None,
    options: Options = SMALL,
) -> Fit:
    return extending.extend(
        old,
        refs(names),
        load,
        demand=demand,
        options=options,
        workers=2,
        progress=Silent(),
    )


WEAVES = [f"w{i}" for i in range(8)]
STRIPES = [f"s{i}" for i in range(6)]


@pytest.fixture(scope="module")
def old() -> Artefact:
    """A model of weaves alone."""
    return fit(refs(WEAVES), load, options=SMALL, workers=2, progress=Silent()).artefact


@pytest.fixture(scope="module")
def both(old: Artefact) -> Fit:
    """The model of weaves, to which stripes were added."""
    return added(old, STRIPES)


def raw(model: Artefact, name: str) -> float:
    found = MemoryBank(model, label="m").predict([load(refs([name])[0], None)])[0]
    assert found.raw_score is not None
    return found.raw_score


def test_what_was_added_is_normal_now_and_what_was_known_still_is(old: Artefact, both: Fit) -> None:
    before, after = raw(old, "s99"), raw(both.artefact, "s99")
    assert after < 0.5 * before, "a stripe that neither has seen"
    assert raw(both.artefact, "w99") < 1.3 * raw(old, "w99")
    assert raw(both.artefact, "w99") < both.calibration.threshold.value


def test_new_photographs_are_held_out_from_the_rows_that_judge_them(old: Artefact) -> None:
    everything = replace(SMALL, wide_bank=20_000, pool_numbers=20_000_000)
    both = added(old, STRIPES, options=everything)
    kept = list(old.card["score"]["calibration"])
    new = [score for score in both.calibration.scores if score not in kept]
    assert len(both.calibration.scores) == len(kept) + len(STRIPES)
    assert len(new) == len(STRIPES)
    inside = [raw(both.artefact, name) for name in STRIPES]
    assert min(new) > 10 * max(inside), "the final rows hold each of their patches"
    assert max(new) < 0.7 * min(raw(old, name) for name in STRIPES), "the other new ones help"


def test_scaling_heads_and_ways_stay_and_rows_come_from_both(old: Artefact, both: Fit) -> None:
    first, second = extending.read(old), extending.read(both.artefact)
    assert second.choice == first.choice
    assert np.array_equal(second.scaling.scale, first.scaling.scale)
    assert len(second.bank.rows) == len(first.bank.rows)
    assert set(first.bank.images) == set(WEAVES)
    assert second.bank.images == (*first.bank.images, *STRIPES)
    numbers = second.bank.origin[:, 0]
    assert min(numbers) < len(WEAVES) <= max(numbers)
    known = zip(first.bank.rows, first.bank.origin, strict=True)
    old_rows = {row.tobytes(): tuple(at) for row, at in known}
    for row, at in zip(second.bank.rows, second.bank.origin, strict=True):
        if at[0] < len(WEAVES):
            assert old_rows[row.tobytes()] == tuple(at), "a kept row keeps its origin"


def test_a_head_stays_and_has_its_say(old: Artefact) -> None:
    card, files = _parts(old)
    bank = extending.read(old).bank
    head = Head(np.full(len(bank.shift), 0.01, np.float32), 7.0)
    bank = replace(bank, head=head)
    taught = artefact.pack(
        memory_bank.KIND, card | bank.facts(), files | {memory_bank.BANK: bank.packed()}
    )
    with_it, without = (added(model, STRIPES) for model in (taught, old))
    kept = extending.read(with_it.artefact).bank.head
    assert kept
    assert kept.bias == 7.0
    assert np.array_equal(kept.weights, head.weights)
    assert raw(with_it.artefact, "w99") > raw(without.artefact, "w99") + 5.0


def test_tiles_of_kept_rows_are_kept(old: Artefact, both: Fit) -> None:
    first, second = extending.read(old), extending.read(both.artefact)
    was = [row.tobytes() for row in first.bank.rows]
    pictures = [_tiles(model) for model in (old, both.artefact)]
    off = []
    for i, row in enumerate(second.bank.rows):
        if second.bank.origin[i, 0] < len(WEAVES):
            tile = pictures[0][was.index(row.tobytes())]
            off.append(np.abs(pictures[1][i].astype(int) - tile).mean())
    assert off
    assert max(off) < 4.0, "the same tile, compressed once more"


def _tiles(model: Artefact) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    picture = np.asarray(Image.open(io.BytesIO(model.files[memory_bank.PICTURE])))
    high, wide = picture.shape[0] // 96, picture.shape[1] // 96
    return [picture[r * 96 :, c * 96 :][:96, :96] for r in range(high) for c in range(wide)]


def test_the_card_tells_what_was_added_and_the_same_again_is_the_same(
    old: Artefact, both: Fit
) -> None:
    training = both.artefact.card["training"]
    assert training["added"] == [{"to": old.digest, "images": len(STRIPES)}]
    assert len(training["images"]) == both.images == len(WEAVES) + len(STRIPES)
    assert added(old, STRIPES).artefact.digest == both.artefact.digest
    assert artefact.pack(memory_bank.KIND, *_parts(both.artefact)).digest == both.artefact.digest


def _parts(model: Artefact) -> tuple[dict[str, Any], dict[str, bytes]]:
    card = {k: v for k, v in model.card.items() if k not in ("format", "kind", "files")}
    return card, dict(model.files)


def test_a_demand_stands_until_another_is_made(old: Artefact, both: Fit) -> None:
    assert both.calibration.threshold.budget == 0.05
    more = added(old, STRIPES, demand=Demand(false_alarms=0.2))
    assert more.calibration.threshold.budget == 0.2
    assert more.artefact.card["training"]["demand"]["false_alarms"] == 0.2
    assert more.calibration.threshold.value < both.calibration.threshold.value
    with pytest.raises(TrainingError, match="train anew with all photographs"):
        added(old, STRIPES, demand=Demand(recall=0.9))


def test_known_photographs_are_skipped(old: Artefact, both: Fit) -> None:
    again = added(old, [*WEAVES, *STRIPES])
    assert again.images == both.images
    assert not again.left_out
    with pytest.raises(TrainingError, match=r"nothing to add: of 8 photographs the model knows 8"):
        added(old, WEAVES)


def test_an_anomaly_of_the_model_is_not_added_as_normal(old: Artefact) -> None:
    card, files = _parts(old)
    content = load(refs(["s1"])[0], None).content
    told = card | {"training": card["training"] | {"anomalies": [content]}}
    model = artefact.pack(memory_bank.KIND, told, files)
    found = added(model, ["s1", "s2"])
    assert [name for name, reason in found.left_out if "anomaly" in reason] == ["s1"]
    with pytest.raises(TrainingError, match="1 can't be used"):
        added(model, ["s1"])


def test_one_photograph_can_be_added(old: Artefact) -> None:
    assert added(old, ["s1"]).images == len(WEAVES) + 1


def test_other_kinds_networks_and_damaged_files_are_refused(old: Artefact) -> None:
    with pytest.raises(TrainingError, match="a memory bank only"):
        extending.read(fake_artefact())
    card, files = _parts(old)
    other = card | {"backbone": card["backbone"] | {"weights_sha256": "0" * 64}}
    with pytest.raises(TrainingError, match="another network"):
        extending.read(artefact.pack(memory_bank.KIND, other, files))
    for broken in (card | {"choice": {}}, card | {"choice": card["choice"] | {"copies": 3}}):
        with pytest.raises(ArtefactError, match="train it anew"):
            extending.read(artefact.pack(memory_bank.KIND, broken, files))
    for damaged in (b"", files[memory_bank.PICTURE][:2000]):
        model = replace(old, files={**files, memory_bank.PICTURE: damaged})
        with pytest.raises(ArtefactError, match="picture"):
            added(model, STRIPES)
