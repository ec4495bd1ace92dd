"""The tables of docs/aws.md that the template and the code know best, each between its own marks.

Run as ``python -m deploy.aws.tables``; a test compares the page with what would be written.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from walkdown.aws.check.__main__ import CHECKS
from walkdown.aws.check.deployer import policy
from walkdown.aws.deploying import FILLED_IN
from walkdown.stores import dynamodb_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Template = dict[str, Any]

PAGE = Path(__file__).parents[2] / "docs" / "aws.md"
TEMPLATE = Path(__file__).parents[2] / "src" / "walkdown" / "aws" / "template.json"

_EACH = ("Errors", "Throttles")
"""What every function has: told once."""


def mark(part: str) -> tuple[str, str]:
    """The lines before and after a part."""
    return f"<!-- {part}: written by `make template` -->", f"<!-- /{part} -->"


def parameters(template: Template) -> str:
    """What `walkdown deploy --parameter` takes."""
    rows = [
        (f"`{name}`", _default(one), str(one["Description"]))
        for name, one in template["Parameters"].items()
        if name not in FILLED_IN
    ]
    return _table(("parameter", "default", "meaning"), rows)


def roles(template: Template) -> str:
    """What every role may do, and on what."""
    found: dict[str, list[str]] = {
        name: [] for name, one in template["Resources"].items() if one["Type"] == "AWS::IAM::Role"
    }
    for name, one in template["Resources"].items():
        if one["Type"] == "AWS::IAM::Policy" and name != "KeyPolicy":
            for role in one["Properties"]["Roles"]:
                statements = one["Properties"]["PolicyDocument"]["Statement"]
                found[role["Ref"]] += [_allowed(each) for each in statements]
    rows = [(f"`{name}`", "<br>".join(said)) for name, said in sorted(found.items())]
    return _table(("role", "may"), rows)


def alarms(template: Template) -> str:
    """What each alarm means, and what to do."""
    rows = []
    for name, one in sorted(template["Resources"].items()):
        if one["Type"] == "AWS::CloudWatch::Alarm":
            said = one["Properties"]["AlarmDescription"]
            text = said if isinstance(said, str) else said["Fn::Sub"]
            rows.append((name, re.sub(r"\$\{(\w+)\}", r"`\1`", text)))
    return _table(("alarm", "what it says"), _once(rows))


def questions(_: Template) -> str:
    """What is asked of the table, by which key."""
    lines = (dynamodb_keys.__doc__ or "").splitlines()
    return "\n".join(line for line in lines if line.startswith("|")).replace("``", "`")


def needed(_: Template) -> str:
    """The policy of the person who deploys the stack ``plant``."""
    given = policy("plant")
    lines = ",\n".join(f"    {json.dumps(each)}" for each in given["Statement"])
    version = json.dumps(given["Version"])
    return f'```json\n{{\n  "Version": {version},\n  "Statement": [\n{lines}\n  ]\n}}\n```'


def checks(_: Template) -> str:
    """The lines that `walkdown.aws.check` prints, and what each does, as its code says."""
    rows = [(what, _first_line(check.__doc__)) for what, check in CHECKS]
    return _table(("line", "asks"), rows)


PARTS: dict[str, Callable[[Template], str]] = {
    "parameters": parameters,
    "roles": roles,
    "alarms": alarms,
    "questions": questions,
    "needed": needed,
    "checks": checks,
}


def written(page: str, template: Template) -> str:
    """The page with every part written anew. Raises ValueError where a part has no marks."""
    for part, made in PARTS.items():
        start, end = mark(part)
        before, found, rest = page.partition(start)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"the page has no place for {part!r}: {start} ... {end}")
        page = f"{before}{start}\n{made(template)}\n{end}{after}"
    return page


def _default(one: Template) -> str:
    value = one["Default"]
    return f"`{value}`" if str(value) else "empty"


def _allowed(statement: Template) -> str:
    actions = statement["Action"]
    names = [actions] if isinstance(actions, str) else sorted(actions)
    where = statement["Resource"]
    places = [_place(each) for each in (where if isinstance(where, list) else [where])]
    return f"{', '.join(names)}: {', '.join(dict.fromkeys(places))}"


def _place(resource: Any) -> str:
    """A resource as people would call it: the logical id, or the end of its ARN."""
    if isinstance(resource, str):
        return f"`{resource}`"
    if "Ref" in resource:
        return f"`{resource['Ref']}`"
    if "Fn::GetAtt" in resource:
        return f"`{resource['Fn::GetAtt'][0]}`"
    text = re.sub(r"\$\{(\w+)(\.Arn)?\}", r"\1", resource["Fn::Sub"].replace("AWS::", ""))
    own = re.sub(r"^arn:Partition:[a-z]+:Region:AccountId:", "", text)
    return f"`{own.replace('StackName', 'STACK')}`"


def _once(rows: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The alarms that every function has as one row each."""
    kept: dict[str, str] = {}
    for name, said in rows:
        kind = next((each for each in _EACH if name.endswith(each)), None)
        if kind is None:
            kept[f"`{name}`"] = said
        else:
            kept[f"`FUNCTION{kind}`"] = said.replace(name.removesuffix(kind), "FUNCTION")
    return list(kept.items())


def _first_line(text: str | None) -> str:
    return (text or "").strip().splitlines()[0].rstrip(".")


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.strip() for cell in line)} |" for line in lines)


def main() -> int:
    template = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), template), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
