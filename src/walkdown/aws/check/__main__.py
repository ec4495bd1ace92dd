"""``python -m walkdown.aws.check --stack NAME``: every line, whether it holds, and why not."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from walkdown.app.deployed import read_deployed
from walkdown.aws.check import asking, live
from walkdown.aws.check.account import Account, Checked, Wish, account_of, failed, skipped
from walkdown.aws.check.deployer import policy
from walkdown.errors import WalkdownError
from walkdown.sdk.aws import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from walkdown.ports import Blobs
    from walkdown.runners.executions import Deployment

CHECKS: Final[tuple[tuple[str, Callable[[Account], Checked]], ...]] = (
    ("it is a real account", asking.identity),
    ("the caller may deploy", asking.deployer),
    ("roles may do what they should, and no more", asking.roles),
    ("IAM finds nothing wrong with the policies", asking.policies),
    ("Step Functions takes the state machines", asking.machines),
    ("enough functions may run at once", asking.quotas),
    ("the buckets are closed", asking.buckets),
    ("only TLS is answered", asking.tls_only),
    ("the table can be restored", asking.table),
    ("the rule of arrivals matches", asking.arrivals),
    ("the code starts on Amazon Linux", asking.functions),
    ("the container image is taken", asking.image),
    ("Athena's views answer", asking.views),
    ("Athena's UNLOAD merges days", asking.merging),
    ("who subscribed has confirmed", asking.subscriptions),
    ("an awkward name goes all the way", live.photograph),
    ("the workflow's history is small", live.workflow),
    ("logs are found by inspection", live.logs),
    ("a signed address takes a photograph", live.signed_upload),
    ("an alarm is heard", live.alarm),
    ("the bill", live.cost),
)
"""In the order in which they are asked; docs/aws.md says of each what it stands for."""

_MARKS: Final = {"passed": "passed ", "failed": "FAILED ", "skipped": "skipped"}


def carried_out(check: Callable[[Account], Checked], account: Account) -> Checked:
    """A check's answer; what AWS refuses has failed, what an emulator does not know is skipped."""
    try:
        return check(account)
    except AwsError as e:
        if account.is_real:
            return failed(str(e))
        return skipped(f"the emulator does not answer this ({e.code:.40})")
    except WalkdownError as e:
        return failed(str(e))


@click.command()
@click.option("--stack", required=True, metavar="NAME", help="The deployed stack.")
@click.option(
    "--photo",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Put this photograph into the stack, twice, and wait for its result.",
)
@click.option("--pipeline", metavar="NAME", help="Whose prefix it goes to.  [default: the first]")
@click.option("--alarm", is_flag=True, help="Ring an alarm; who has subscribed is told.")
@click.option("--cost", is_flag=True, help="Ask for the bill, which costs 0.01 USD.")
@click.option("--policy", "only_policy", is_flag=True, help="Print what a deployment needs: IAM.")
def main(
    stack: str,
    photo: Path | None,
    pipeline: str | None,
    alarm: bool,
    cost: bool,
    only_policy: bool,
) -> None:
    """Check of a deployed stack what only a real account can prove.

    \b
    Examples:
      python -m walkdown.aws.check --stack plant
      python -m walkdown.aws.check --stack plant --photo photos/new/17.png --alarm
      python -m walkdown.aws.check --stack plant --policy > deployer.json
    """
    if only_policy:
        click.echo(json.dumps(policy(stack), indent=2))
        return
    try:
        account = _account(stack, Wish(photo, pipeline, alarm, cost))
    except WalkdownError as e:
        raise click.ClickException(str(e)) from e
    states = [_told(what, outcome) for what, outcome in outcomes(account)]
    counts = ", ".join(f"{states.count(state)} {state}" for state in _MARKS)
    click.echo(f"{counts}; what each stands for: docs/aws.md")
    sys.exit(1 if "failed" in states else 0)


def outcomes(account: Account) -> Iterator[tuple[str, Checked]]:
    """Every line and what came out of it, as soon as it is known."""
    for what, check in CHECKS:
        yield what, carried_out(check, account)


def _told(what: str, outcome: Checked) -> str:
    click.echo(f"{_MARKS[outcome.state]}  {what}: {outcome.why}")
    return outcome.state


def _account(name: str, wish: Wish) -> Account:
    from walkdown.settings import environment, load_settings
    from walkdown.wiring_aws import aws, blobs, find_stack, open_stack, workflows

    stack = find_stack(name)
    app = open_stack(load_settings(f"aws://{name}", {}, environment()))
    return account_of(
        aws(),
        stack,
        app,
        _pipelines(workflows(stack).deployments(), blobs(stack)),
        wish,
        sleep=time.sleep,
        clock=time.monotonic,
    )


def _pipelines(found: list[Deployment], there: Blobs) -> dict[str, tuple[Deployment, int]]:
    return {one.name: (one, read_deployed(one.plan_key, there).shape.concurrency) for one in found}


if __name__ == "__main__":
    main()
