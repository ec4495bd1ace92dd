"""The SAM template as plain CloudFormation, which `walkdown deploy` ships: no tool is needed there.

CloudFormation's own words are worked out here first (``Fn::ForEach``, ``Fn::ToJsonString`` of
AWS::LanguageExtensions), then SAM's by its translator, and at last every function gets its second
form, a container image: SAM wants one form or the other, CloudFormation can choose by a condition.
Run as ``python -m deploy.aws.expand``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]
from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]

SOURCE = Path(__file__).with_name("template.yaml")
PLAIN = Path(__file__).parents[2] / "src" / "walkdown" / "aws" / "template.json"
EXTENSIONS = "AWS::LanguageExtensions"

_TAG_OF_SAM = "lambda:createdBy"
_ZIP_ONLY = ("Handler", "Runtime")


def expanded(text: str) -> dict[str, Any]:
    """The plain template of a SAM template's text. Its AWS region counts for nothing here."""
    template = unrolled(yaml_parse(text))
    template["Transform"] = [t for t in template["Transform"] if t != EXTENSIONS]
    session = boto3.Session(region_name="us-east-1")
    plain = Translator({}, Parser(), boto_session=session).translate(template, parameter_values={})
    for resource in plain["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Properties"] = in_both_forms(resource["Properties"])
    return dict(plain)


def unrolled(node: Any) -> Any:
    """Every loop written out, and every ``Fn::ToJsonString`` as the text that it stands for."""
    if isinstance(node, list):
        return [unrolled(each) for each in node]
    if not isinstance(node, dict):
        return node
    if "Fn::ToJsonString" in node:
        return {"Fn::Sub": json.dumps(_as_text(node["Fn::ToJsonString"]), sort_keys=True)}
    result: dict[str, Any] = {}
    for key, value in node.items():
        if key.startswith("Fn::ForEach::"):
            result |= _rounds(*value)
        else:
            result[key] = unrolled(value)
    return result


def _rounds(name: str, values: list[str], body: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for value in values:
        text = json.dumps(body).replace(f"${{{name}}}", value)
        result |= unrolled(json.loads(text))
    return result


def _as_text(node: Any) -> Any:
    """Intrinsic functions as ``${...}`` within their strings, for one ``Fn::Sub`` around it all."""
    match node:
        case list():
            return [_as_text(each) for each in node]
        case {"Ref": str(name), **rest} if not rest:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [*parts], **rest} if not rest:
            return f"${{{'.'.join(parts)}}}"
        case {"Fn::Sub": str(text), **rest} if not rest:
            return text
        case dict():
            return {key: _as_text(value) for key, value in node.items()}
    return node


def in_both_forms(function: dict[str, Any]) -> dict[str, Any]:
    """A zip's properties as those of a zip or, where an ImageUri is given, of an image.

    The image is one for all functions: what differs is its command, the handler's dotted path.
    """
    nothing = {"Ref": "AWS::NoValue"}
    both = dict(function)
    for name in _ZIP_ONLY:
        both[name] = _either(nothing, function[name])
    both["Code"] = _either({"ImageUri": {"Ref": "ImageUri"}}, function["Code"])
    both["PackageType"] = _either("Image", "Zip")
    both["ImageConfig"] = _either({"Command": [function["Handler"]]}, nothing)
    both["Tags"] = [tag for tag in function["Tags"] if tag["Key"] != _TAG_OF_SAM]
    return both


def _either(image: object, zipped: object) -> dict[str, Any]:
    return {"Fn::If": ["UsesImage", image, zipped]}


def as_json(plain: dict[str, Any]) -> str:
    """The file's text: sorted, so that a change of the template is a small change of the file."""
    return json.dumps(plain, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> int:
    PLAIN.write_text(as_json(expanded(SOURCE.read_text(encoding="utf-8"))), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
