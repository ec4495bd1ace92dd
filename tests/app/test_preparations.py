import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from walkdown.app import preparations
from walkdown.app.preparations import open_preparation, placed
from walkdown.app.specs import pipeline_of, preparation_of
from walkdown.errors import SpecError
from walkdown.registry import open_step
from walkdown.spec import AreasSpec, PrepareSpec

TRIANGLE = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5))


def noise(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rough = np.random.default_rng(seed).integers(0, 256, (24, 32), np.uint8)
    Image.fromarray(rough).resize((128, 96), Image.Resampling.BICUBIC).save(path)
    return path


def white(path: Path, grey: int = 255) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 6), grey).save(path)
    return path


def masked(path: Path | str, **more: object) -> PrepareSpec:
    return PrepareSpec.model_validate({"areas": {"mask": str(path)}, **more})


def pipeline(folder: Path, prepare: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "pipeline.yaml"
    text = f"stages: [{{name: a, model: m}}]\nprepare: {prepare}\n"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_section_without_anything_does_nothing() -> None:
    assert not open_preparation(PrepareSpec(max_pixels=5))
    assert not open_preparation(PrepareSpec(areas=AreasSpec(unit="px")))


def test_polygons_keep_their_use_unit_and_points() -> None:
    areas = AreasSpec(unit="px", only=(TRIANGLE,), ignore=(TRIANGLE, TRIANGLE))
    made = open_preparation(PrepareSpec(areas=areas)).areas.polygons
    assert [(p.use, p.unit) for p in made] == [("only", "px"), ("ignore", "px"), ("ignore", "px")]
    assert made[0].points == TRIANGLE


def test_images_lie_below_the_pipeline_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise(tmp_path / "line" / "views" / "front.png")
    white(tmp_path / "line" / "mask.png")
    file = pipeline(tmp_path / "line", "{align: views/front.png, areas: {mask: ./mask.png}}")
    monkeypatch.chdir(tmp_path)
    made = preparation_of(Path("line") / file.name, open_step)
    assert made.reference is not None
    assert made.reference.name == "front.png"
    assert made.areas.mask is not None
    spec = pipeline_of(model=None, file=Path("line") / file.name)
    assert open_preparation(spec.prepare).digest == made.digest


def test_the_content_of_the_images_is_what_counts(tmp_path: Path) -> None:
    noise(tmp_path / "view.png")
    white(tmp_path / "mask.png")
    file = pipeline(tmp_path, "{align: view.png, areas: {mask: mask.png}}")
    first = preparation_of(file, open_step).digest
    white(tmp_path / "mask.png", 250)
    second = preparation_of(file, open_step).digest
    noise(tmp_path / "view.png", seed=1)
    third = preparation_of(file, open_step).digest
    assert len({first, second, third}) == 3


@pytest.mark.parametrize("key", ["align: {}", "areas: {{mask: {}}}"])
@pytest.mark.parametrize(
    "outside", ["../secret.png", "a/../../secret.png", "/etc/hostname", "link.png"]
)
def test_nothing_outside_of_the_folder_is_opened(tmp_path: Path, key: str, outside: str) -> None:
    noise(tmp_path / "secret.png")
    file = pipeline(tmp_path / "line", "{" + key.format(outside) + "}")
    (tmp_path / "line" / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(SpecError, match="lies outside of the pipeline file's folder") as e:
        pipeline_of(model=None, file=file)
    assert outside in str(e.value)
    with pytest.raises(SpecError, match="lies outside"):
        preparation_of(file, open_step)


def test_an_absolute_path_into_the_folder_is_as_good(tmp_path: Path) -> None:
    mask = white(tmp_path / "mask.png")
    assert placed(masked(mask), tmp_path).areas.mask == str(mask.resolve())


@pytest.mark.parametrize("path", ["a\0b.png", "loop.png"])
def test_a_path_that_is_none(tmp_path: Path, path: str) -> None:
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    with pytest.raises(SpecError, match=r"'prepare\.areas\.mask'"):
        open_preparation(placed(masked(path), tmp_path))


def test_files_that_are_no_images_are_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "text.png").write_text("white", encoding="utf-8")
    for name, reason in (
        ("none.png", "there is no such file; paths are meant from"),
        ("pipe.png", "it is not a file"),
        ("folder.png", "it is not a file"),
        ("text.png", "not an image"),
    ):
        for spec in (masked(tmp_path / name), PrepareSpec(align=str(tmp_path / name))):
            with pytest.raises(SpecError, match=f"{name}: {reason}"):
                open_preparation(spec)


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparations, "MAX_BYTES", 10)
    with pytest.raises(SpecError, match=r"mask\.png: the file is over"):
        open_preparation(masked(white(tmp_path / "mask.png")))


def bomb(path: Path) -> Path:
    """A small PNG that claims 50000 x 50000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    rows = chunk(b"IDAT", zlib.compress(bytes(1_000_000)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + rows + chunk(b"IEND", b""))
    return path


def test_a_bomb_is_refused_by_its_claim(tmp_path: Path) -> None:
    path = bomb(tmp_path / "bomb.png")
    for spec in (masked(path), PrepareSpec(align=str(path))):
        with pytest.raises(
            SpecError, match=r"bomb\.png: 50000 x 50000 px is over the limit of 150"
        ):
            open_preparation(spec)


def test_the_pixel_limit_of_the_file_holds_for_its_images_too(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="8 x 6 px is over the limit"):
        open_preparation(masked(white(tmp_path / "mask.png"), max_pixels=10))


def test_a_mask_without_white_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"mask\.png: nothing in this mask is white"):
        open_preparation(masked(white(tmp_path / "mask.png", 0)))


def test_areas_that_leave_nothing_are_refused_before_any_photo(tmp_path: Path) -> None:
    whole = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    with pytest.raises(SpecError, match="nothing of the image is left to look at"):
        open_preparation(PrepareSpec(areas=AreasSpec(ignore=(whole,))))


def test_more_points_than_any_polygon_needs_are_refused() -> None:
    many = AreasSpec(ignore=(((0.5, 0.5),) * 100_000,))
    with pytest.raises(SpecError, match="100000 points; give 3 to 10000"):
        open_preparation(PrepareSpec(areas=many))
