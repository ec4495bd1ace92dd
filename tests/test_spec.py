import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from walkdown.app.starting import STARTER
from walkdown.errors import SpecError
from walkdown.spec import (
    DEFAULT_MAX_PIXELS,
    DEFAULT_SEVERITY,
    PipelineSpec,
    SmtpAlertSpec,
    load_pipeline,
    one_stage,
    parse_pipeline,
)
from walkdown.types import Severity

STAGES = "stages:\n  - {name: a, model: m}\n"
TWO = STAGES + "  - {name: b, model: m, when: a.score > 0.5}\n"


def parse(text: str, name: str = "p") -> PipelineSpec:
    return parse_pipeline(text, where="p.yaml", name=name)


def complaint(text: str) -> str:
    with pytest.raises(SpecError) as e:
        parse(text)
    return str(e.value)


def outcome(text: str) -> str:
    try:
        parse(text)
    except SpecError as e:
        return str(e)
    return "right"


def test_the_least_pipeline_has_all_defaults() -> None:
    spec = parse(STAGES)
    assert spec.name == "p"
    assert spec.source is None
    assert spec.prepare.max_pixels == DEFAULT_MAX_PIXELS
    assert spec.decide == "last"
    assert spec.severity == DEFAULT_SEVERITY
    assert spec.outputs.heatmaps
    assert spec.outputs.images
    assert spec.alerts == ()


def test_everything_can_be_said() -> None:
    spec = parse(
        TWO + "name: poles\nsource: {paths: [x], include: ['*.jpg'], exclude: [old]}\n"
        "prepare: {max_pixels: 1000}\ndecide: vote\nasset: '{asset}/{view}'\n"
        "severity:\n  - {severity: critical, when: b.score > 0.9 and area_pct > 1}\n"
        "outputs: {heatmaps: false, images: no}\n"
        "alerts:\n  - to: log\n  - {to: webhook, url: 'https://x.example/y', min_severity: high}\n"
        "  - {to: smtp, host: h, sender: a@b, recipients: [c@d]}\n"
    )
    assert spec.name == "poles"
    assert spec.source is not None
    assert spec.source.include == ("*.jpg",)
    assert spec.stages[1].when == "a.score > 0.5"
    assert spec.severity[0].severity is Severity.CRITICAL
    assert not spec.outputs.images
    assert isinstance(spec.alerts[2], SmtpAlertSpec)
    assert spec.alerts[2].security == "starttls"


def test_the_first_file_of_a_new_workspace_is_right() -> None:
    spec = parse(STARTER)
    assert spec.source is not None
    assert spec.source.paths == ("photos",)


def test_what_the_first_file_shows_in_comments_is_right_too() -> None:
    shown = [
        line.replace("#", "", 1) if line.startswith(("#  -", "#    ")) else line
        for line in STARTER.splitlines()
    ]
    spec = parse("\n".join(shown).replace("\n#  recipients", "\n  recipients"))
    assert [stage.name for stage in spec.stages] == ["screen", "confirm"]
    assert [alert.to for alert in spec.alerts] == ["log", "webhook", "smtp"]


def test_a_source_may_be_a_path_or_a_list_of_paths() -> None:
    one, many = parse(STAGES + "source: photos"), parse(STAGES + "source: [a, b]")
    assert one.source is not None
    assert many.source is not None
    assert (one.source.paths, many.source.paths) == (("photos",), ("a", "b"))


def test_anchors_and_merges_save_writing() -> None:
    spec = parse("stages:\n  - &first {name: a, model: m}\n  - {<<: *first, name: b}\n")
    assert [(s.name, s.model) for s in spec.stages] == [("a", "m"), ("b", "m")]


def test_a_date_is_text_as_any_other_name() -> None:
    assert parse(STAGES + "name: 2025-01-31").name == "2025-01-31"


def test_a_condition_may_run_over_lines() -> None:
    text = TWO.replace(
        "{name: b, model: m, when: a.score > 0.5}",
        "name: b\n    model: m\n    when: |\n      a.score > 0.3\n      and a.regions > 2",
    )
    assert parse(text).stages[1].when == "a.score > 0.3\nand a.regions > 2"


WRONG = {
    "": "p.yaml:1: the file is empty; a pipeline needs at least 'stages'",
    "# nothing": "p.yaml:1: the file is empty; a pipeline needs at least 'stages'",
    "- a": "p.yaml:1: the file must hold 'key: value' lines",
    "\nhello": "p.yaml:2: the file must hold 'key: value' lines (it is 'hello')",
    "name: x": "p.yaml:1: 'stages' is missing",
    "stages: []": "p.yaml:1: 'stages' must not be an empty list",
    "stages:": "p.yaml:1: 'stages' must be a list (it is empty)",
    "stages: [a]": "p.yaml:1: 'stages[1]' must hold 'key: value' lines (it is 'a')",
    "stages:\n  - {model: m}": "p.yaml:2: 'stages[1].name' is missing",
    "stages:\n  - {name: a}": "p.yaml:2: 'stages[1].model' is missing",
    "stages:\n  - {name: a-b, model: m}": (
        "p.yaml:2: 'stages[1].name' must be a letter, then letters, digits and '_', "
        "at most 63 in all (it is 'a-b')"
    ),
    "stages:\n  - {name: score, model: m}": (
        "p.yaml:2: 'stages[1].name': 'score' has a meaning of its own in conditions; "
        "choose another name"
    ),
    "stages:\n  - {name: not, model: m}": (
        "p.yaml:2: 'stages[1].name': 'not' has a meaning of its own in conditions; "
        "choose another name"
    ),
    "stages:\n  - {name: a, model: m m}": (
        "p.yaml:2: 'stages[1].model' must be name, name@alias or name@3, in letters, digits, "
        "'.', '_' and '-' (it is 'm m')"
    ),
    "stages:\n  - {name: a, model: 3}": (
        "p.yaml:2: 'stages[1].model' must be text; put it in quotes (it is 3)"
    ),
    "stages:\n  - {name: a, model: m, wehn: x}": (
        "p.yaml:2: unknown key 'stages[1].wehn'; did you mean 'when'?"
    ),
    "stages:\n  - {name: a, model: m, when: 1 > 0}": (
        "p.yaml:2: 'stages[1].when': the first stage has no earlier one to ask"
    ),
    STAGES + "  - {name: a, model: m}": (
        "p.yaml:3: 'stages[2].name': the name 'a' is used twice; choose another"
    ),
    STAGES + "  -\n    name: b\n    model: m\n    when: b.score > 1": (
        "p.yaml:6: 'stages[2].when': unknown name 'b.score'; known here: a.score, a.raw_score, "
        "a.verdict, a.labels, a.regions, a.area_pct, a.p_normal, a.failed, a.severity, "
        "image.asset, image.kind, image.site, image.viewpoint, image.camera, image.width_px, "
        "image.height_px"
    ),
    STAGES + "  - {name: b, model: m, when: a.score >}": (
        "p.yaml:3: 'stages[2].when': not a condition: 'a.score >' (example: score > 0.8)"
    ),
    STAGES + "  - {name: b, model: m, when: true}": (
        "p.yaml:3: 'stages[2].when' must be text; put it in quotes (it is True)"
    ),
    STAGES + "\ndecied: any": "p.yaml:4: unknown key 'decied'; did you mean 'decide'?",
    STAGES + "log: any": (
        "p.yaml:3: unknown key 'log'; allowed here: alerts, asset, budget, decide, false_alarms, "
        "name, outputs, prepare, severity, source, stages"
    ),
    STAGES + "decide: most": (
        "p.yaml:3: 'decide' must be 'last', 'any', 'all', 'vote' or 'fuse' (it is 'most')"
    ),
    STAGES + "name: a/b": (
        "p.yaml:3: 'name' must be a letter or digit, then letters, digits, '.', '_' and '-', "
        "at most 63 in all (it is 'a/b')"
    ),
    STAGES + "name: x\n\nname: y": "p.yaml:5: 'name' is given twice (first in line 3); remove one",
    "stages:\n  - name: a\n    model: m\n    name: b": (
        "p.yaml:4: 'stages[1].name' is given twice (first in line 2); remove one"
    ),
    STAGES + "1: 2": "p.yaml:3: '1' as a key is not text; put it in quotes",
    STAGES + "on: 2": "p.yaml:3: 'on' as a key is not text; put it in quotes",
    STAGES + "[a]: 2": "p.yaml:3: a list or mapping as a key is not text; put it in quotes",
    STAGES + "source: 3": (
        "p.yaml:3: 'source' must be a path, a list of paths, or a mapping with 'paths' (it is 3)"
    ),
    STAGES + "source: []": "p.yaml:3: 'source.paths' must not be an empty list",
    STAGES + "source: ['']": (
        "p.yaml:3: 'source.paths[1]' must have 1 or more characters (it is empty)"
    ),
    STAGES + "source: {path: x}": (
        "p.yaml:3: 'source.paths' is missing\n"
        "p.yaml:3: unknown key 'source.path'; did you mean 'paths'?"
    ),
    STAGES + "prepare:\n  max_pixel: 3": (
        "p.yaml:4: unknown key 'prepare.max_pixel'; did you mean 'max_pixels'?"
    ),
    STAGES + "prepare: {max_pixels: 0}": (
        "p.yaml:3: 'prepare.max_pixels' must be at least 1 (it is 0)"
    ),
    STAGES + "prepare: {max_pixels: 9999999999}": (
        "p.yaml:3: 'prepare.max_pixels' must be at most 2000000000 (it is 9999999999)"
    ),
    STAGES + "prepare: {max_pixels: true}": (
        "p.yaml:3: 'prepare.max_pixels' must be a whole number (it is 'true')"
    ),
    STAGES + "prepare: {max_pixels: 1.5}": (
        "p.yaml:3: 'prepare.max_pixels' must be a whole number (it is 1.5)"
    ),
    STAGES + "prepare: {max_pixels: .nan}": (
        "p.yaml:3: 'prepare.max_pixels' must be a whole number (it is nan)"
    ),
    STAGES + "prepare: 5": "p.yaml:3: 'prepare' must hold 'key: value' lines (it is 5)",
    STAGES + "asset: '{site}'": (
        "p.yaml:3: 'asset': the template '{site}' must contain {asset} (it is '{site}')"
    ),
    STAGES + "severity:\n  - {severity: hgih}": (
        "p.yaml:4: 'severity[1].severity' must be 'low', 'medium', 'high' or 'critical' "
        "(it is 'hgih')"
    ),
    STAGES + "severity:\n  - {severity: low, when: c > 1}": (
        "p.yaml:4: 'severity[1].when': unknown name 'c'; known here: a.score, a.raw_score, "
        "a.verdict, a.labels, a.regions, a.area_pct, a.p_normal, a.failed, image.asset, "
        "image.kind, image.site, image.viewpoint, image.camera, image.width_px, image.height_px, "
        "score, area_pct, label, asset"
    ),
    STAGES + "outputs: {heatmaps: maybe}": (
        "p.yaml:3: 'outputs.heatmaps' must be true or false (it is 'maybe')"
    ),
    STAGES + "alerts: log": "p.yaml:3: 'alerts' must be a list (it is 'log')",
    STAGES + "alerts: [log]": "p.yaml:3: 'alerts[1]' must hold 'key: value' lines (it is 'log')",
    STAGES + "alerts: [{host: h}]": (
        "p.yaml:3: 'alerts[1].to' is missing; it says where alerts go: "
        "log, smtp, webhook, sns or eventbridge"
    ),
    STAGES + "alerts: [{to: smpt}]": (
        "p.yaml:3: 'alerts[1].to' must be one of 'log', 'smtp', 'webhook', 'sns', 'eventbridge' "
        "(it is 'smpt')"
    ),
    STAGES + "alerts:\n  - to: smtp": (
        "p.yaml:4: 'alerts[1].host' is missing\n"
        "p.yaml:4: 'alerts[1].sender' is missing\n"
        "p.yaml:4: 'alerts[1].recipients' is missing"
    ),
    STAGES + "alerts: [{to: smtp, host: h, sender: a@b, recipients: [c], prot: 25}]": (
        "p.yaml:3: unknown key 'alerts[1].prot'; did you mean 'port'?"
    ),
    STAGES + "alerts: [{to: smtp, host: h, sender: a@b, recipients: [c], port: 99999}]": (
        "p.yaml:3: 'alerts[1].port' must be at most 65535 (it is 99999)"
    ),
    STAGES + "alerts: [{to: webhook, url: 'ftp://x'}]": (
        "p.yaml:3: 'alerts[1].url' must be an address that begins with http:// or https:// "
        "(it is 'ftp://x')"
    ),
    STAGES + "alerts: [{to: sns}]": "p.yaml:3: 'alerts[1].topics' is missing",
    STAGES + "alerts: [{to: sns, topics: 'arn:aws:sns:eu-west-1:123456789012:crew.fifo'}]": (
        "p.yaml:3: 'alerts[1].topics' must be the ARN of an SNS topic, such as "
        "arn:aws:sns:eu-west-1:123456789012:crew, or the beginning of four ARNs, ending in '-'; "
        "FIFO topics are not supported (it is 'arn:aws:sns:eu-west-1:123456789012:crew.fifo')"
    ),
    STAGES + "alerts: [{to: eventbridge, bus: 'a bus'}]": (
        "p.yaml:3: 'alerts[1].bus' must be the name or the ARN of an event bus (it is 'a bus')"
    ),
    "stages:\n\t- a": (
        "p.yaml:2: not valid YAML: found character '\\t' that cannot start any token; "
        "indent with spaces, not with tabs"
    ),
    STAGES + "asset: {site}/{asset}": (
        "p.yaml:3: not valid YAML: expected <block end>, but found '<scalar>'; "
        "look at its quotes, colons and indentation"
    ),
    "a: b\nstages: \x07": (
        "p.yaml:2: not valid YAML: it holds an invisible control character; remove it"
    ),
    "stages: *a": (
        "p.yaml:1: not valid YAML: found undefined alias 'a'; "
        "look at its quotes, colons and indentation"
    ),
    STAGES + "---\na: b": (
        "p.yaml:3: not valid YAML: but found another document; "
        "look at its quotes, colons and indentation"
    ),
    "stages: " + "9" * 5000: (
        f"p.yaml:1: not valid YAML: '{'9' * 40}' is no value of its kind; "
        "look at its quotes, colons and indentation"
    ),
    "stages: !!int x": (
        "p.yaml:1: not valid YAML: 'x' is no value of its kind; "
        "look at its quotes, colons and indentation"
    ),
    "stages: !!python/object/apply:os.system ['true']": (
        "p.yaml:1: the tag !!python/object/apply:os.system is not allowed; write plain text, "
        "numbers, lists and 'key: value' lines"
    ),
    "\nstages: !mine x": (
        "p.yaml:2: the tag !mine is not allowed; write plain text, numbers, lists and "
        "'key: value' lines"
    ),
    "stages: &s [*s]": "p.yaml: nested too deeply (more than 50 levels); write it flatter",
    "[" * 60 + "]" * 60: "p.yaml: nested too deeply (more than 50 levels); write it flatter",
    "[" * 5000: "p.yaml: nested too deeply (more than 50 levels); write it flatter",
    "#" * 200_001: "p.yaml: more than 200000 characters; shorten it",
}


@pytest.mark.parametrize(("text", "expected"), WRONG.items(), ids=range(len(WRONG)))
def test_a_mistake_names_file_line_and_key(text: str, expected: str) -> None:
    assert complaint(text) == expected


def test_all_mistakes_are_told_at_once() -> None:
    text = STAGES + "decide: most\nprepare: {max_pixels: 0}\nsurce: x\n"
    assert [line.split(":")[1] for line in complaint(text).splitlines()] == ["4", "3", "5"]


def test_a_long_wrong_value_is_not_repeated_in_full() -> None:
    assert len(complaint(STAGES + f"decide: {'x' * 5000}")) < 200


@pytest.mark.parametrize("merge", [False, True])
def test_aliases_that_multiply_are_refused_at_once(merge: bool) -> None:
    first, more = ("{x: 1}", "{{<<: [{}]}}") if merge else ("[x, x]", "[{}]")
    lines = [f"a0: &a0 {first}"]
    lines += [f"a{i}: &a{i} {more.format(', '.join([f'*a{i - 1}'] * 9))}" for i in range(1, 7)]
    start = time.perf_counter()
    assert "more than 20000 values, counting what aliases (*name) stand for" in complaint(
        "\n".join(lines)
    )
    assert time.perf_counter() - start < 5.0


@given(st.text(max_size=80) | st.text("stage:[]{}&*!|>-? \n'\"#,<%@`a1", max_size=60))
def test_any_text_is_a_pipeline_or_refused_where_it_is_wrong(text: str) -> None:
    assert outcome(text).startswith(("p.yaml:", "right"))


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["to", "log", "when", "name", "paths", "x"]), inner),
    max_leaves=6,
), st.sampled_from(sorted(PipelineSpec.model_fields)))  # fmt: skip
def test_any_value_of_any_key_is_taken_or_refused(value: object, key: str) -> None:
    rest = "" if key == "stages" else STAGES
    text = json.dumps(value, ensure_ascii=True)
    assert outcome(f"{rest}{key}: {text}\n").startswith(("p.yaml:", "right"))


def test_the_name_of_the_file_is_the_default_name(tmp_path: Path) -> None:
    path = tmp_path / "North line (2025).yaml"
    path.write_text(STAGES, encoding="utf-8")
    assert load_pipeline(path).name == "North-line-2025"
    assert parse(STAGES, name="...").name == "pipeline"
    assert len(parse(STAGES, name="x" * 99).name) == 63


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + STAGES.encode())
    assert load_pipeline(path).name == "p"


@pytest.mark.parametrize(
    ("data", "reason"),
    [(None, "No such file or directory"), (b"name: \xe9", "it is not UTF-8 text")],
)
def test_a_file_that_cannot_be_read_says_why(
    tmp_path: Path, data: bytes | None, reason: str
) -> None:
    path = tmp_path / "p.yaml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(SpecError) as e:
        load_pipeline(path)
    assert str(e.value) == f"cannot read the pipeline file {path}: {reason}"


def test_a_folder_is_no_pipeline_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="Is a directory"):
        load_pipeline(tmp_path)


@pytest.mark.parametrize("model", ["cells", "cells@live", "cells@3"])
def test_a_model_alone_is_a_pipeline_of_one_stage(model: str) -> None:
    spec = one_stage(model)
    assert (spec.name, [s.model for s in spec.stages]) == ("cells", [model])
