"""Import cost is a feature: what is loaded is counted, not timed."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    "numpy",
    "onnxruntime",
    "openvino",
    "onnx",
    "PIL",
    "boto3",
    "duckdb",
    "pydantic",
    "rich",
    "yaml",
}


def loaded_by(statement: str) -> set[str]:
    """Names of all modules that a fresh interpreter holds after a statement."""
    code = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "statement",
    [
        "import walkdown",
        "import walkdown.types, walkdown.ports, walkdown.errors",
        "import walkdown.cli.entry as m; m.run(['--help'])",
        "import walkdown.cli.entry as m; m.run(['inspect', '--help'])",
    ],
)
def test_nothing_heavy_is_loaded(statement: str) -> None:
    assert not loaded_by(statement) & HEAVY


def test_the_budget_of_import_walkdown() -> None:
    own = {m for m in loaded_by("import walkdown") if m.startswith("walkdown")}
    assert own == {"walkdown"}


def test_help_stays_within_its_budget() -> None:
    nothing = loaded_by("pass")
    helped = loaded_by("import walkdown.cli.entry as m; m.run(['--help'])")
    assert len(helped - nothing) < 150


def test_listing_models_does_not_open_one(tmp_path: object) -> None:
    run = f"import walkdown.cli.entry as m; m.run(['models', '--workspace', {str(tmp_path)!r}])"
    assert not loaded_by(run) & {"onnxruntime", "onnx", "duckdb"}
