from importlib.metadata import EntryPoint

import pytest

from walkdown import registry
from walkdown.errors import MissingExtra, ModelError, NotFound
from walkdown.models.artefact import Artefact, pack
from walkdown.models.fake import Fake, fake_artefact
from walkdown.registry import open_model


def provide(monkeypatch: pytest.MonkeyPatch, *found: EntryPoint) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda *, group: [*found])


def point(kind: str, path: str) -> EntryPoint:
    return EntryPoint(kind, path, registry.GROUP)


def test_a_built_in_kind_is_opened_under_its_label() -> None:
    artefact = fake_artefact()
    model = open_model(artefact, label="cells@3")
    assert isinstance(model, Fake)
    assert (model.info.label, model.info.digest) == ("cells@3", artefact.digest)


def test_every_built_in_kind_can_be_imported() -> None:
    for kind in registry.BUILT_IN:
        assert callable(registry._factory(kind))


def test_a_third_party_comes_in_by_the_same_door(monkeypatch: pytest.MonkeyPatch) -> None:
    provide(monkeypatch, point("theirs", "walkdown.models.fake:Fake"))
    assert isinstance(open_model(pack("theirs", {}, {}), label="x"), Fake)


def test_a_third_party_does_not_replace_a_built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    provide(monkeypatch, point("fake", "nowhere:Nothing"))
    assert isinstance(open_model(fake_artefact(), label="x"), Fake)


def test_an_unknown_kind_names_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    provide(monkeypatch, point("theirs", "walkdown.models.fake:Fake"))
    with pytest.raises(NotFound) as e:
        open_model(pack("missing", {}, {}), label="x")
    known = ", ".join(sorted([*registry.BUILT_IN, "theirs"]))
    assert str(e.value) == (
        f"no installed package provides models of kind 'missing'; known: {known}"
    )


@pytest.mark.parametrize("path", ["no_such_module:Thing", "walkdown.models.fake:Thing"])
def test_a_broken_package_of_others_is_our_error(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    provide(monkeypatch, point("theirs", path))
    with pytest.raises(ModelError, match="can't provide models of kind 'theirs'") as e:
        open_model(pack("theirs", {}, {}), label="x")
    assert e.value.__cause__ is not None


def test_a_missing_dependency_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.BUILT_IN, "heavy", ("no_such_module:Thing", "heavy"))
    with pytest.raises(MissingExtra, match=r"pip install 'walkdown\[heavy\]'"):
        open_model(pack("heavy", {}, {}), label="x")


class Wanting:
    def __init__(self, artefact: Artefact, *, label: str) -> None:
        self.at_least = artefact.card["at_least"]


def test_a_model_that_does_not_open_is_our_error(monkeypatch: pytest.MonkeyPatch) -> None:
    provide(monkeypatch, point("wanting", f"{__name__}:Wanting"))
    with pytest.raises(ModelError, match=r"mine@new can't be opened .*KeyError: 'at_least'") as e:
        open_model(pack("wanting", {}, {}), label="mine@new")
    assert isinstance(e.value.__cause__, KeyError)
