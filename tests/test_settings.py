import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from walkdown import settings
from walkdown.errors import SpecError
from walkdown.settings import load_settings
from walkdown.spec import MAX_WORKERS

ENV = {"USER": "ada"}


def write(folder: Path, text: str | bytes) -> Path:
    file = folder / ".walkdown" / "settings.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def complaint(folder: Path, env: Mapping[str, str] = ENV, **given: object) -> str:
    with pytest.raises(SpecError) as e:
        load_settings(str(folder), given, env)
    return str(e.value)


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    found = load_settings(str(tmp_path), {}, ENV)
    assert found.home == tmp_path / ".walkdown"
    assert found.settings.workspace == "default"
    assert found.settings.actor == "ada"
    assert 1 <= found.settings.workers <= MAX_WORKERS
    assert set(found.origins.values()) == {"default"}


def test_an_argument_wins_over_the_environment_over_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "workspace: north\nactor: file\nworkers: 3\n")
    env = {"WALKDOWN_ACTOR": "variable", "WALKDOWN_WORKERS": "4"}
    found = load_settings(str(tmp_path), {"workers": 5, "actor": None}, env)
    assert found.settings.model_dump() == {"workspace": "north", "actor": "variable", "workers": 5}
    assert found.origins == {
        "workspace": str(file),
        "actor": "environment",
        "workers": "argument",
    }


def test_the_folder_is_the_argument_or_the_variable(tmp_path: Path) -> None:
    env = {"WALKDOWN_WORKSPACE": str(tmp_path / "b")}
    assert load_settings(str(tmp_path / "a"), {}, env).home == tmp_path / "a" / ".walkdown"
    assert load_settings(None, {}, env).home == tmp_path / "b" / ".walkdown"


@pytest.mark.parametrize(
    ("env", "actor"),
    [
        ({}, "unknown"),
        ({"USER": "  "}, "unknown"),
        ({"USER": "", "LOGNAME": "bea"}, "bea"),
        ({"USERNAME": "cy"}, "cy"),
        ({"USER": "ada", "WALKDOWN_ACTOR": ""}, "ada"),
    ],
)
def test_who_acts_is_always_known(tmp_path: Path, env: dict[str, str], actor: str) -> None:
    assert load_settings(str(tmp_path), {}, env).settings.actor == actor


def test_a_machine_of_many_processors_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(5000)))
    assert load_settings(str(tmp_path), {}, ENV).settings.workers == MAX_WORKERS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("workrs: 2\n", "{file}:1: unknown key 'workrs'; did you mean 'workers'?"),
        (
            "workspace: a\nzzz: 2\n",
            "{file}:2: unknown key 'zzz'; allowed here: actor, workers, workspace",
        ),
        ("\nworkers: many\n", "{file}:2: 'workers' must be a whole number (it is 'many')"),
        ("workers: 0\n", "{file}:1: 'workers' must be at least 1 (it is 0)"),
        ("workers: 999\n", "{file}:1: 'workers' must be at most 256 (it is 999)"),
        ("workers: true\n", "{file}:1: 'workers' must be a whole number (it is 'true')"),
        ("workers: 1\nworkers: 2\n", "{file}:2: 'workers' is given twice (first in line 1)"),
        ("workspace: ../up\n", "{file}:1: 'workspace' must be a letter or digit, then letters"),
        ("actor: 5\n", "{file}:1: 'actor' must be text; put it in quotes (it is 5)"),
        ("actor: ' '\n", "{file}:1: 'actor' must have 1 or more characters (it is ' ')"),
        ("- a\n", "{file}:1: settings are 'name: value' lines, such as 'workers: 2'"),
        ("a: [\n", "{file}:2: not valid YAML: "),
        (b"actor: \xff\n", "cannot read the settings file {file}: it is not UTF-8 text"),
    ],
)
def test_a_mistake_in_the_file_names_file_line_and_key(
    tmp_path: Path, text: str | bytes, expected: str
) -> None:
    file = write(tmp_path, text)
    assert complaint(tmp_path).startswith(expected.replace("{file}", str(file)))


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, "# workers: 2\n")
    assert load_settings(str(tmp_path), {}, ENV).origins["workers"] == "default"


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".walkdown" / "settings.yaml").mkdir(parents=True)
    assert complaint(tmp_path).endswith("settings.yaml: Is a directory")


def test_a_mistake_elsewhere_names_where_the_value_came_from(tmp_path: Path) -> None:
    write(tmp_path, "workers: 2\n")
    env = ENV | {"WALKDOWN_WORKERS": "two"}
    expected = "settings (environment): 'workers' must be a whole number (it is 'two')"
    assert complaint(tmp_path, env) == expected
    assert complaint(tmp_path, workers=0) == (
        "settings (argument): 'workers' must be at least 1 (it is 0)"
    )


def test_the_environment_is_a_copy() -> None:
    settings.environment()["WALKDOWN_ACTOR"] = "changed"
    assert settings.environment().get("WALKDOWN_ACTOR") != "changed"
