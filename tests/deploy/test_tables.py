"""The page about AWS says what template and code say, and the image holds what functions need."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from deploy.aws.tables import PAGE, PARTS, TEMPLATE, mark, parameters, written

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "aws" / "Dockerfile"


def test_the_tables_of_the_page_are_those_that_would_be_written_now() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page, json.loads(TEMPLATE.read_text())), "run: make template"


def test_a_part_that_is_out_of_date_is_written_anew_and_the_rest_stays() -> None:
    page = "before\n" + "\n".join("\n".join((mark(p)[0], "old", mark(p)[1])) for p in PARTS)
    made = written(f"{page}\nafter", json.loads(TEMPLATE.read_text()))
    assert made.startswith("before\n")
    assert made.endswith("\nafter")
    assert "\nold\n" not in made


def test_a_page_without_a_place_for_a_part_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for 'parameters'"):
        written("", json.loads(TEMPLATE.read_text()))


def test_parameters_that_a_deployment_fills_in_are_nobodys_business() -> None:
    one = {"Type": "String", "Default": "", "Description": "who is told"}
    text = parameters({"Parameters": {"CodeKey": one, "AlertEmail": one}})
    assert text.splitlines()[2:] == ["| `AlertEmail` | empty | who is told |"]


def copied() -> list[str]:
    """What the Dockerfile takes from the folder that it is built in."""
    lines = DOCKERFILE.read_text().splitlines()
    words = [line.split()[1:-1] for line in lines if line.startswith("COPY ")]
    return [word for line in words if not line[0].startswith("--from") for word in line]


def test_the_image_copies_all_that_a_wheel_is_built_of() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {project["readme"], *project["license-files"], "src", "pyproject.toml"} == set(copied())
    assert all((ROOT / name).exists() for name in copied())
    let_in = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied()} <= set(let_in)


def test_the_images_extras_and_python_are_known() -> None:
    text = DOCKERFILE.read_text()
    extras = re.findall(r"^ARG EXTRAS=(.*)$", text, re.MULTILINE)[0].split(",")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras) <= set(project["optional-dependencies"])
    python = re.findall(r"^ARG PYTHON=(.*)$", text, re.MULTILINE)[0]
    runtimes = json.loads(TEMPLATE.read_text())["Parameters"]["Runtime"]["AllowedValues"]
    assert f"python{python}" in runtimes
    assert f"FROM public.ecr.aws/lambda/python:{'${PYTHON}'}" in text


def test_the_images_own_command_is_a_functions() -> None:
    command = json.loads(re.findall(r"^CMD (.*)$", DOCKERFILE.read_text(), re.MULTILINE)[0])
    look = json.loads(TEMPLATE.read_text())["Resources"]["LookFunction"]["Properties"]
    assert look["ImageConfig"]["Fn::If"][1] == {"Command": command}
