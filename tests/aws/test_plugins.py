"""Packages of others in the functions' code."""

from __future__ import annotations

import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import cast

import pytest

from walkdown import registry
from walkdown.app.deployed import Deployed, publish
from walkdown.app.preparations import OpenStep
from walkdown.aws.compose import Pipeline, compose
from walkdown.aws.deploying import shipped_template
from walkdown.aws.package import Package
from walkdown.aws.plugins import check, needed, with_plugins
from walkdown.errors import NotFound, SpecError, StoreError
from walkdown.imaging.own_steps import OwnStep
from walkdown.models.artefact import pack, save
from walkdown.ports import Step
from walkdown.runners.stepfunctions import Shape
from walkdown.spec import parse_pipeline
from walkdown.stores.memory import MemoryBlobs
from walkdown.types import ModelInfo, Permission

DETECT = Permission(("rekognition:DetectLabels",), ("*",))
INVOKE = Permission(
    ("sagemaker:InvokeEndpoint",),
    ("arn:${AWS::Partition}:sagemaker:${AWS::Region}:${AWS::AccountId}:endpoint/cracks",),
)


def deployed(blobs: MemoryBlobs, kind: str = "fake", text: str = "", **more: object) -> Deployed:
    made = pack(kind, {"salt": kind}, {})
    save(made, blobs)
    spec = parse_pipeline(
        text or "stages: [{name: look, model: m}]\n", where="p.yaml", name=f"by-{kind}"
    )
    info = ModelInfo("m@1", made.digest, **more)  # type: ignore[arg-type]
    shape = Shape({"look": 10})
    return publish(spec, {"m": info}, prefix=f"{kind}/", shape=shape, here=blobs, there=blobs)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that provides the kind ``theirs``."""
    folder = tmp_path / "packages"
    about = folder / "theirs-1.2.dist-info"
    about.mkdir(parents=True)
    (folder / "theirs.py").write_text("from walkdown.models.fake import Fake as Theirs\n")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text("[walkdown.models]\ntheirs = theirs:Theirs\n")
    (about / "RECORD").write_text(
        "theirs.py,,\ntheirs-1.2.dist-info/METADATA,,\n"
        "theirs-1.2.dist-info/entry_points.txt,,\n../../../bin/theirs,,\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Package:
    path = tmp_path / "functions-0.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr("walkdown/__init__.py", "")
    return Package(path, "0", 1.0, "python3.12", compiled=True)


def test_the_packages_of_all_pipelines_are_needed(installed: Path) -> None:
    here, there = MemoryBlobs(), MemoryBlobs()
    pipelines = [deployed(here), deployed(there, "theirs")]
    assert needed(pipelines, [here, there]) == ("theirs",)
    assert needed(pipelines[:1], [here]) == ()
    assert registry.provider("theirs") == "theirs"


def test_a_kind_that_nobody_provides_here_is_an_error() -> None:
    blobs = MemoryBlobs()
    with pytest.raises(NotFound, match="no installed package provides models of kind 'absent'"):
        needed([deployed(blobs, "absent")], [blobs])


def test_a_package_is_taken_along_as_it_is_installed(installed: Path, base: Package) -> None:
    made = with_plugins(base, ["theirs"])
    with zipfile.ZipFile(made.path) as found:
        assert sorted(found.namelist()) == [
            "theirs-1.2.dist-info/METADATA",
            "theirs-1.2.dist-info/entry_points.txt",
            "theirs.py",
            "walkdown/__init__.py",
        ]
    assert made.digest != base.digest
    assert with_plugins(base, ["theirs"]).path == made.path
    assert with_plugins(base, []) is base
    with zipfile.ZipFile(base.path) as unchanged:
        assert unchanged.namelist() == ["walkdown/__init__.py"]


def test_what_is_made_for_this_machine_alone_is_refused(installed: Path, base: Package) -> None:
    (installed / "fast.so").write_bytes(b"ELF")
    record = installed / "theirs-1.2.dist-info" / "RECORD"
    record.write_text(record.read_text() + "fast.so,,\n")
    with pytest.raises(StoreError, match=r"holds fast\.so, which is made for this machine"):
        with_plugins(base, ["theirs"])


def test_an_editable_package_is_refused(installed: Path, base: Package) -> None:
    record = installed / "theirs-1.2.dist-info" / "RECORD"
    record.write_text("__editable__.theirs.pth,,\n")
    with pytest.raises(StoreError, match="installed as editable"):
        with_plugins(base, ["theirs"])
    assert PathDistribution(installed / "theirs-1.2.dist-info").files


def test_looks_may_do_what_the_models_need_and_no_more() -> None:
    blobs = MemoryBlobs()
    first = deployed(blobs, permissions=(DETECT, INVOKE))
    second = deployed(blobs, "fake_job", permissions=(DETECT,))
    template = compose(shipped_template(), [Pipeline(first), Pipeline(second)], digest="0" * 8)
    policy = template["Resources"]["LookModelsPolicy"]["Properties"]
    assert policy["Roles"] == [{"Ref": "LookRole"}]
    assert policy["PolicyDocument"]["Statement"] == [
        {"Effect": "Allow", "Action": ["rekognition:DetectLabels"], "Resource": ["*"]},
        {
            "Effect": "Allow",
            "Action": ["sagemaker:InvokeEndpoint"],
            "Resource": [{"Fn::Sub": INVOKE.resources[0]}],
        },
    ]
    plain = compose(shipped_template(), [Pipeline(deployed(blobs))], digest="0" * 8)
    assert "LookModelsPolicy" not in plain["Resources"]


def test_a_stage_with_a_budget_may_write_what_it_takes() -> None:
    text = "stages: [{name: look, model: m, budget: {usd_per_month: 5}}]\n"
    one = deployed(MemoryBlobs(), text=text, usd_per_image=0.01)
    template = compose(shipped_template(), [Pipeline(one)], digest="0" * 8)
    (statement,) = template["Resources"]["LookModelsPolicy"]["Properties"]["PolicyDocument"][
        "Statement"
    ]
    assert statement["Action"] == ["dynamodb:PutItem"]
    assert statement["Resource"] == {"Fn::GetAtt": ["Table", "Arn"]}


@pytest.mark.parametrize(
    ("permission", "words"),
    [
        (Permission(("*",), ("*",)), "name each action"),
        (Permission(("s3:*",), ("*",)), "name each action"),
        (Permission(("s3:GetObject",), ("arn:aws:s3:::b/${SourceBucket.Arn}",)), "no ARNs"),
        (Permission(("s3:GetObject",), ('arn:aws:s3:::b"]}',)), "no ARNs"),
        (Permission(("s3:GetObject",), ("b/*",)), "no ARNs"),
    ],
)
def test_a_model_must_say_by_name_what_it_wants(permission: Permission, words: str) -> None:
    one = deployed(MemoryBlobs(), permissions=(permission,))
    with pytest.raises(SpecError, match=words):
        compose(shipped_template(), [Pipeline(one)], digest="0" * 8)


def test_libraries_that_do_not_fit_into_a_zip_are_told_before_anything_is_packed() -> None:
    blobs = MemoryBlobs()
    large = deployed(blobs, "openvino")
    with pytest.raises(SpecError, match="has a model of kind 'openvino'"):
        check([large], [blobs], registry.open_step, new=large)


def test_another_version_of_a_step_would_stop_a_pipeline_of_the_stack() -> None:
    blobs = MemoryBlobs()
    text = "prepare: {steps: [balance]}\nstages: [{name: look, model: m}]\n"

    def version(number: int) -> OpenStep:
        return lambda name, _: OwnStep(name, f"version {number}", cast("Step", None))

    made = pack("fake", {}, {})
    save(made, blobs)
    one = publish(
        parse_pipeline(text, where="p.yaml", name="old"),
        {"m": ModelInfo("m@1", made.digest)},
        prefix="old/",
        shape=Shape({"look": 10}),
        here=blobs,
        there=blobs,
        open_step=version(1),
    )
    check([one], [blobs], version(1), new=None)
    check([one], [blobs], version(2), new=one)
    with pytest.raises(SpecError, match="'old' of this stack was deployed with other versions"):
        check([one], [blobs], version(2), new=None)
