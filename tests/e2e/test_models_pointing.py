"""Which version an alias means, how the list tells kinds, and what can't be checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.conftest import add_fake

if TYPE_CHECKING:
    from tests.e2e.conftest import Desk


def test_adding_tells_what_live_meant_before_and_pointing_moves_it_back(desk: Desk) -> None:
    card = desk.folder / "card.yaml"
    card.write_text("kind: change\n")
    code, out, err = desk.run("models", "add", "bright", "card.yaml")
    assert code == 0, err
    assert "bright@2 is now bright@live; before it was bright@1 (memory_bank)" in out
    assert "walkdown models point bright@1 live" in out
    _, out, _ = desk.run("models", "add", "bright", "card.yaml")
    assert "before it was" not in out, "nothing has moved"
    _, out, _ = desk.run("models")
    head, first, second = (line.split() for line in out.splitlines())
    assert (head[1], first[1], second[1:3]) == ("kind", "memory_bank", ["change", "live"])
    code, out, _ = desk.run("models", "point", "bright@1", "live")
    assert code == 0
    assert "bright@1 is now bright@live; before it was bright@2 (change)" in out
    assert [v.aliases for v in desk.app.versions.versions("bright")] == [("live",), ()]


def test_a_new_alias_has_no_before_and_needs_a_name(desk: Desk) -> None:
    add_fake(desk.app, "bright", salt="b")
    code, out, _ = desk.run("models", "point", "bright@1", "candidate")
    assert (code, out) == (0, "bright@1 is now bright@candidate\n")
    code, _, err = desk.run("models", "point", "bright@1", "7")
    assert (code, "can't be an alias" in err) == (1, True)
    code, _, err = desk.run("models", "point", "bright@9", "live")
    assert (code, "no version 'bright@9'" in err) == (1, True)


def test_a_path_to_check_that_is_not_there_is_named(desk: Desk) -> None:
    code, _, err = desk.run("models", "check", "bright", "nowhere/photos")
    assert code == 1
    assert "nowhere/photos" in err
    assert "does not exist" in err
