"""Options that commands share, and one kind of option that takes several values."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from walkdown.app.context import App


class ManyValues(click.Command):
    """A command whose ``multiple`` options take all values up to the next option.

    So that ``--normal photos/*.jpg`` works as a shell expands it.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        many = {
            o for p in self.params if isinstance(p, click.Option) and p.multiple for o in p.opts
        }
        return super().parse_args(ctx, _repeat(args, many))


def _repeat(args: list[str], many: set[str]) -> list[str]:
    """``--o a b`` as ``--o a --o b``.

    >>> _repeat(["n", "--o", "a", "b", "-x"], {"--o"})
    ['n', '--o', 'a', '--o', 'b', '-x']
    """
    result: list[str] = []
    current, count = "", 0
    for i, arg in enumerate(args):
        if arg == "--":
            return result + args[i:]
        if arg.startswith("-") and len(arg) > 1:
            current, count = (arg if arg in many else ""), 0
        elif current:
            count += 1
            if count > 1:
                result.append(current)
        result.append(arg)
    return result


if TYPE_CHECKING:
    _Share = click.ParamType[float]
else:
    # Not a generic class at run time before click 8.3.
    _Share = click.ParamType


class Share(_Share):
    """A share as ``1%``, ``0.5 %`` or ``0.01``."""

    name = "share"
    below = 1.0

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        text = str(value).strip()
        try:
            number = float(text.removesuffix("%"))
        except ValueError:
            self.fail(f"{value!r} is not a share such as 1% or 0.01", param, ctx)
        share = number / 100.0 if text.endswith("%") else number
        if not 0.0 < share < self.below:
            self.fail(f"{value!r} is not above 0 % and below {self.below:.0%}", param, ctx)
        return share


class Budget(Share):
    """A share below a half: of things that should be rare."""

    below = 0.5


if TYPE_CHECKING:
    _Ago = click.ParamType[timedelta]
else:
    _Ago = click.ParamType

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Ago(_Ago):
    """A length of time as ``90s``, ``10m``, ``2h`` or ``1d``."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        if isinstance(value, timedelta):
            return value
        number, unit = str(value)[:-1], _UNITS.get(str(value)[-1:])
        if unit is None or not number.isascii() or not number.isdigit() or len(number) > 6:
            self.fail(f"{value!r} is no length of time such as 30s, 10m, 2h or 1d", param, ctx)
        return timedelta(**{unit: int(number)})


def _remember(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.find_root().meta["walkdown.workspace"] = value


def workspace_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--workspace DIR``, which may stand before or after the command's name."""
    return click.option(
        "--workspace",
        metavar="DIR",
        type=click.Path(file_okay=False),
        expose_value=False,
        callback=_remember,
        help="Folder that holds the workspace.  [default: the current folder]",
    )(command)


def workspace_given() -> str | None:
    """The folder that ``--workspace`` names, if it was given."""
    given: str | None = click.get_current_context().find_root().meta.get("walkdown.workspace")
    return given


def stack_given() -> str | None:
    """The stack on AWS whose workspace the command line or the environment names, if it is one."""
    from walkdown.settings import environment, load_settings

    return load_settings(workspace_given(), {}, environment()).stack


def open_app(*, folder: str | None = None, **given: object) -> App:
    """The workspace that the command line names, or ``folder``, or the current folder's."""
    from walkdown.wiring import open_workspace

    app = open_workspace(workspace_given() or folder, **given)
    click.get_current_context().call_on_close(app.close)
    return app
