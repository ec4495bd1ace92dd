"""What the person who deploys a stack needs in the account, as an IAM policy. Pure.

Everything is held to names that begin with the stack's, but for what AWS allows on all resources
only. Whoever may make roles and functions can give them what the stack's own do not have: this
belongs to administrators of the account.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Policy = dict[str, Any]

_ROLES: Final = (
    *("CreateRole", "DeleteRole", "DeleteRolePolicy", "GetRole", "GetRolePolicy"),
    *("ListAttachedRolePolicies", "ListRolePolicies", "PassRole", "PutRolePolicy"),
    *("TagRole", "UntagRole", "UpdateAssumeRolePolicy"),
)
_ANYWHERE: Final = (
    "access-analyzer:ValidatePolicy",
    "budgets:ListTagsForResource",
    "budgets:ModifyBudget",
    "budgets:TagResource",
    "budgets:ViewBudget",
    "ce:GetCostAndUsage",
    "cloudwatch:DescribeAlarms",
    "events:TestEventPattern",
    "iam:SimulatePrincipalPolicy",
    "lambda:CreateEventSourceMapping",
    "lambda:DeleteEventSourceMapping",
    "lambda:GetAccountSettings",
    "lambda:GetEventSourceMapping",
    "lambda:ListEventSourceMappings",
    "lambda:ListTags",
    "lambda:TagResource",
    "lambda:UpdateEventSourceMapping",
    "logs:DescribeLogGroups",
    "sns:Unsubscribe",
    "ssm:DescribeParameters",
    "states:ListStateMachines",
    "states:ValidateStateMachineDefinition",
)
"""Actions that AWS allows on all resources only, or on ids that nobody knows before."""


def policy(stack: str) -> Policy:
    """The policy for one stack, whose lake lies in the database that `deploy` gives it.

    With a KMS key of yours, the key's policy must let the same person use it as well.
    """
    named = [
        _statement(service.title(), [f"{service}:*"], resources)
        for service, resources in _named(stack).items()
    ]
    roles = _statement(
        "Roles", [f"iam:{action}" for action in _ROLES], [f"arn:aws:iam::*:role/{stack}-*"]
    )
    anywhere = _statement("Anywhere", list(_ANYWHERE), ["*"])
    return {"Version": "2012-10-17", "Statement": [*named, roles, anywhere]}


def _named(stack: str) -> Mapping[str, list[str]]:
    """By service, the resources that carry the stack's name."""
    where = "*:*"
    database = "walkdown_" + stack.lower().replace("-", "_")
    return {
        "cloudformation": [f"arn:aws:cloudformation:{where}:stack/{stack}/*"],
        # A bucket's name is in small letters.
        "s3": [
            f"arn:aws:s3:::{name}{rest}"
            for name in (f"{stack.lower()}-*", "walkdown-deploy-*")
            for rest in ("", "/*")
        ],
        "dynamodb": [f"arn:aws:dynamodb:{where}:table/{stack}-*"],
        "lambda": [f"arn:aws:lambda:{where}:function:{stack}-*"],
        "states": [
            f"arn:aws:states:{where}:{kind}:{stack}-*"
            for kind in ("stateMachine", "execution", "mapRun")
        ],
        "sqs": [f"arn:aws:sqs:{where}:{stack}-*"],
        "sns": [f"arn:aws:sns:{where}:{stack}-*"],
        "events": [f"arn:aws:events:{where}:rule/{stack}-*"],
        "logs": [
            f"arn:aws:logs:{where}:log-group:{group}*"
            for group in (f"/walkdown/{stack}/", f"/aws/vendedlogs/states/{stack}")
        ],
        "cloudwatch": [
            f"arn:aws:cloudwatch:{where}:alarm:{stack}-*",
            f"arn:aws:cloudwatch::*:dashboard/{stack}",
        ],
        "ssm": [f"arn:aws:ssm:{where}:parameter/walkdown/{stack}/*"],
        "athena": [f"arn:aws:athena:{where}:workgroup/{stack}"],
        "glue": [
            f"arn:aws:glue:{where}:catalog",
            f"arn:aws:glue:{where}:database/{database}",
            f"arn:aws:glue:{where}:table/{database}/*",
        ],
    }


def _statement(sid: str, actions: list[str], resources: list[str]) -> Policy:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}
