"""The image for SageMaker is built of what is there, and starts what is there."""

import json
import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "sagemaker" / "Dockerfile"
TEXT = DOCKERFILE.read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_image_copies_all_that_a_wheel_is_built_of() -> None:
    lines = [line.split()[1:-1] for line in TEXT.splitlines() if line.startswith("COPY ")]
    copied = [word for line in lines if not line[0].startswith("--from") for word in line]
    assert {PROJECT["readme"], *PROJECT["license-files"], "src", "pyproject.toml"} == set(copied)
    let_in = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied} <= set(let_in)


def test_the_image_starts_the_server_with_known_extras() -> None:
    entry = json.loads(re.findall(r"^ENTRYPOINT (.*)$", TEXT, re.MULTILINE)[0])
    assert entry[:2] == ["python", "-m"]
    assert find_spec(f"{entry[2]}.__main__")
    extras = re.findall(r"^ARG EXTRAS=(.*)$", TEXT, re.MULTILINE)[0].split(",")
    assert set(extras) <= set(PROJECT["optional-dependencies"])


def test_both_images_are_built_on_the_same_python() -> None:
    other = (ROOT / "deploy" / "aws" / "Dockerfile").read_text()
    python = re.compile(r"^ARG PYTHON=(.*)$", re.MULTILINE)
    assert python.findall(TEXT) == python.findall(other)
