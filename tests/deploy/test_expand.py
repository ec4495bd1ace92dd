"""The plain template is what the SAM template says, loops and both forms of a function included."""

import json

import pytest
from deploy.aws.expand import PLAIN, SOURCE, as_json, expanded, in_both_forms, main, unrolled

SAM = """
Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
Conditions: {UsesImage: !Equals [!Ref ImageUri, '']}
Parameters: {ImageUri: {Type: String, Default: ''}}
Resources:
  Fn::ForEach::Functions:
    - Name
    - [Look, Record]
    - ${Name}Function:
        Type: AWS::Serverless::Function
        Properties:
          Handler: walkdown.aws.handlers.${Name}
          Runtime: python3.13
          CodeUri: {Bucket: code, Key: code.zip}
          Role: !GetAtt ['${Name}Role', Arn]
"""


def test_the_shipped_template_is_what_the_sam_template_expands_to_now() -> None:
    now = as_json(expanded(SOURCE.read_text(encoding="utf-8")))
    assert PLAIN.read_text(encoding="utf-8") == now, "run: make template"


def test_writing_it_again_changes_nothing() -> None:
    before = PLAIN.read_bytes()
    assert main() == 0
    assert PLAIN.read_bytes() == before


def test_a_loop_gives_every_function_its_own_resources() -> None:
    plain = expanded(SAM)
    assert set(plain["Resources"]) == {"LookFunction", "RecordFunction"}
    assert "Transform" not in plain
    look = plain["Resources"]["LookFunction"]
    assert look["Type"] == "AWS::Lambda::Function"
    assert look["Properties"]["Role"] == {"Fn::GetAtt": ["LookRole", "Arn"]}


def test_loops_may_lie_within_loops() -> None:
    inner = {"Fn::ForEach::B": ["B", ["x", "y"], {"${A}${B}": "${B}${A}"}]}
    rolled = {"Fn::ForEach::A": ["A", ["1", "2"], inner], "kept": ["${A}"]}
    expected = {"1x": "x1", "1y": "y1", "2x": "x2", "2y": "y2", "kept": ["${A}"]}
    assert unrolled(rolled) == expected


def test_json_as_text_keeps_its_references() -> None:
    inner = [{"Ref": "Table"}, {"Fn::GetAtt": ["Queue", "Arn"]}, {"Fn::Sub": "${X}-y"}, {"a": 1}]
    found = unrolled({"Body": {"Fn::ToJsonString": {"list": inner}}})
    text = found["Body"]["Fn::Sub"]
    assert json.loads(text) == {"list": ["${Table}", "${Queue.Arn}", "${X}-y", {"a": 1}]}


@pytest.mark.parametrize("image", [True, False])
def test_a_function_is_an_image_where_one_is_given_and_a_zip_elsewhere(image: bool) -> None:
    both = in_both_forms(
        {
            "Handler": "walkdown.aws.handlers.look",
            "Runtime": "python3.13",
            "Code": {"S3Bucket": "code", "S3Key": "code.zip"},
            "Tags": [{"Key": "lambda:createdBy", "Value": "SAM"}],
            "Timeout": 600,
        }
    )
    chosen = {key: chosen_of(value, image=image) for key, value in both.items()}
    as_image = {
        "Code": {"ImageUri": {"Ref": "ImageUri"}},
        "PackageType": "Image",
        "ImageConfig": {"Command": ["walkdown.aws.handlers.look"]},
    }
    as_zip = {
        "Code": {"S3Bucket": "code", "S3Key": "code.zip"},
        "PackageType": "Zip",
        "Handler": "walkdown.aws.handlers.look",
        "Runtime": "python3.13",
    }
    given = {key: value for key, value in chosen.items() if value != {"Ref": "AWS::NoValue"}}
    assert given == {"Timeout": 600, "Tags": []} | (as_image if image else as_zip)


def chosen_of(value: object, *, image: bool) -> object:
    if not isinstance(value, dict) or "Fn::If" not in value:
        return value
    condition, then, otherwise = value["Fn::If"]
    assert condition == "UsesImage"
    return then if image else otherwise
