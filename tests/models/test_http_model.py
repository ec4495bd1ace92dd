"""Models behind an address: cards, secrets, answers, and what fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tests.services.aws_stub import AwsStub, Refused, aws_stub
from tests.services.cases_http import CASES
from tests.services.http_stub import Asked, Says, Service, certificate_in, http_stub, says

from walkdown.errors import ArtefactError, ModelError
from walkdown.models.artefact import pack
from walkdown.models.conformance import examine, photo_of
from walkdown.models.http.card import HttpCard
from walkdown.models.http.secrets import Secret
from walkdown.models.mapping import InputCard, OutputCard
from walkdown.models.mapping.masks import MaskOutput
from walkdown.models.mapping.outputs import ClassesOutput, ScoreOutput
from walkdown.models.mapping.places import DetectionsOutput
from walkdown.registry import Offers, open_model
from walkdown.types import Photo, Prediction, Verdict

ROOT = Path(__file__).parents[2]
OUTPUT = {"score": {"at": "score", "threshold": 0.5, "range": [0, 1]}}
ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:look-AbCdEf"
TOKEN: dict[str, Any] = {"token_env": "T"}
KEY: dict[str, Any] = {"secret_env": "K"}
PART: dict[str, Any] = {"secret_key": "token"}
PHOTO = photo_of(np.full((60, 80, 3), 90, np.uint8))


class Desk:
    """Answers in turn, the last one for ever."""

    def __init__(self) -> None:
        self.says: list[Says] = [says({"score": 0.75})]

    def answer(self, _: Asked) -> Says:
        return self.says.pop(0) if len(self.says) > 1 else self.says[0]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def service(desk: Desk) -> Iterator[Service]:
    with http_stub(desk.answer) as service:
        yield service


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", found.append)
    return found


def look(
    url: str,
    photo: Photo = PHOTO,
    env: dict[str, str] | None = None,
    files: dict[str, bytes] | None = None,
    **card: Any,
) -> Prediction:
    artefact = pack("http", {"url": url, "output": OUTPUT, **card}, files or {})
    (said,) = open_model(artefact, label="far@1", offers=Offers(env=env or {})).predict([photo])
    return said


def refused(**card: Any) -> str:
    given = {"url": "https://a.example/v1", "output": OUTPUT, **card}
    with pytest.raises(ArtefactError) as raised:
        open_model(pack("http", given, {}), label="far@1")
    assert "s3cret" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("name", CASES)
def test_each_case_keeps_to_what_every_model_must(name: str) -> None:
    photos = [photo_of(np.full((48, 64, 3), value, np.uint8)) for value in (30, 220, 90)]
    with CASES[name]() as running:
        offers = Offers(env=running.variables)
        model = open_model(running.artefact, label="far@1", offers=offers)
        assert [(f.check, f.why) for f in examine(model, photos) if f.why] == []
        verdicts = [said.verdict for said in model.predict(photos)]
    assert verdicts == [Verdict.NORMAL, Verdict.ANOMALY, Verdict.NORMAL]


def test_opening_a_model_asks_nobody(service: Service) -> None:
    card = {"url": service.url, "output": OUTPUT, "usd_per_image": 0.01, "at_once": 3,
            "token_env": "NOT_SET"}  # fmt: skip
    info = open_model(pack("http", card, {}), label="far@1").info
    assert (info.kind, info.max_batch, info.threshold) == ("call", 3, 0.5)
    assert (info.usd_per_image, info.deterministic, info.permissions) == (0.01, True, ())
    assert service.connections == 0


def test_what_is_sent_and_what_it_comes_to(service: Service) -> None:
    said = look(service.url, headers={"X-Site": "north"}, usd_per_image=0.01, method="PUT")
    assert (said.verdict, said.score, said.cost_usd) == (Verdict.ANOMALY, 0.75, 0.01)
    (asked,) = service.asked
    assert (asked.method, asked.headers["Content-Type"]) == ("PUT", "image/jpeg")
    assert (asked.headers["X-Site"], asked.headers["Accept"]) == ("north", "application/json")
    assert asked.body[:2] == b"\xff\xd8"
    assert "Authorization" not in asked.headers


def test_boxes_are_carried_to_the_photograph_as_it_was_taken(service: Service, desk: Desk) -> None:
    desk.says = [says({"found": [{"label": "rust", "score": 0.9, "box": [10, 15, 20, 30]}]})]
    wanted = {"detections": {"at": "found", "rule": {"forbidden": ["rust"]}}}
    large = Photo(PHOTO.pixels, 800, 600, PHOTO.content)
    said = look(service.url, large, output=wanted, input={"max_side_px": 40})
    assert [r.box for r in said.regions] == [(200, 300, 200, 300)], "of 40 x 30 px that were sent"


def test_one_photograph_fails_alone(service: Service) -> None:
    service.answer = lambda asked: (
        says({"score": 0.1}) if len(service.asked) != 2 else Says(b"", 500)
    )
    card = {"url": service.url, "output": OUTPUT, "at_once": 1}
    said = open_model(pack("http", card, {}), label="far@1").predict([PHOTO] * 3)
    assert [p.error is None for p in said] == [True, False, True]
    assert "it answered 500 Internal Server Error" in str(said[1].error)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Says(b"<html>down"), "the answer is no JSON (it begins with '<html>down')"),
        (Says(b'{"score": '), "no JSON"),
        (Says(b"[" * 200_000), "no JSON"),
        (says({"scores": 1}), "no 'score': at the top it has a mapping with scores"),
        (says({"score": "high"}), "must be a number"),
        (Says(b'{"score": NaN}'), "must be a number"),
        (says({"score": 7}), "'range'"),
    ],
)
def test_an_answer_that_says_nothing_is_an_error_that_was_paid_for(
    service: Service, desk: Desk, answer: Says, words: str
) -> None:
    desk.says = [answer]
    said = look(service.url, usd_per_image=0.01)
    assert said.verdict is None
    assert words in str(said.error)
    assert said.cost_usd == 0.01


def test_what_was_not_answered_costs_nothing(
    service: Service, desk: Desk, waits: list[float]
) -> None:
    desk.says = [Says(b"", 503)]
    said = look(service.url, usd_per_image=0.01, retries=2)
    assert "it answered 503 Service Unavailable" in str(said.error)
    assert (said.cost_usd, len(service.asked), len(waits)) == (None, 3, 2)


def test_a_token_is_sent_and_never_told(service: Service, desk: Desk) -> None:
    said = look(service.url, env={"T": " s3cret\n"}, **TOKEN)
    assert said.error is None
    assert service.asked[0].headers["Authorization"] == "Bearer s3cret"
    desk.says = [says({"detail": "Bearer s3cret is no good"}, status=401)]
    said = look(service.url, env={"T": "s3cret"}, **TOKEN)
    assert "it wants another secret" in str(said.error)
    assert "Bearer […] is no good" in str(said.error)
    assert "s3cret" not in str(said.error)


def test_a_secret_goes_into_the_header_of_the_card(service: Service) -> None:
    look(service.url, env={"K": "s3cret"}, header="X-Api-Key", **KEY)
    look(service.url, env={"K": "Basic abc"}, **KEY)
    assert service.asked[0].headers["X-Api-Key"] == "s3cret"
    assert service.asked[1].headers["Authorization"] == "Basic abc"


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({}, "the environment variable T is not set"),
        ({"T": " "}, "the environment variable T is not set"),
        ({"T": "s3cret\r\nX-Evil: 1"}, "not plain characters in one line"),
    ],
)
def test_a_secret_that_is_none_is_told(service: Service, env: dict[str, str], words: str) -> None:
    said = look(service.url, env=env, **TOKEN)
    assert words in str(said.error)
    assert "s3cret" not in str(said.error)
    assert service.asked == []


class Vault:
    """Secrets Manager with one secret."""

    def __init__(self) -> None:
        self.holds = "s3cret"

    def answer(self, given: dict[str, Any]) -> dict[str, Any]:
        assert given == {"SecretId": ARN}
        return {"ARN": ARN, "SecretString": self.holds}


@pytest.fixture
def vault() -> Vault:
    return Vault()


@pytest.fixture
def aws(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsStub]:
    with aws_stub({("secretsmanager", "GetSecretValue"): vault.answer}) as stub:
        for name, value in stub.variables().items():
            monkeypatch.setenv(name, value)
        yield stub


def test_a_secret_of_aws_is_read_once_and_anew_when_it_was_refused(
    service: Service, desk: Desk, aws: AwsStub, vault: Vault
) -> None:
    card = {"url": service.url, "output": OUTPUT, "token_secret": ARN, "at_once": 1}
    model = open_model(pack("http", card, {}), label="far@1")
    (permission,) = model.info.permissions
    assert permission.actions == ("secretsmanager:GetSecretValue",)
    assert permission.resources == (ARN,)
    assert aws.calls == []
    model.predict([PHOTO] * 3)
    assert [call.region for call in aws.calls] == ["eu-west-1"], "where the secret is, and once"
    vault.holds = "n3wer"
    desk.says = [Says(b"", 401), says({"score": 0.1})]
    assert [p.error is None for p in model.predict([PHOTO] * 2)] == [False, True]
    sent = [asked.headers["Authorization"].removeprefix("Bearer ") for asked in service.asked]
    assert sent == ["s3cret"] * 4 + ["n3wer"]


def test_the_environment_wins_over_a_secret_of_aws(service: Service, aws: AwsStub) -> None:
    said = look(service.url, env={"T": "here"}, **TOKEN, token_secret=ARN)
    assert said.error is None
    assert aws.calls == []
    look(service.url, **TOKEN, token_secret=ARN)
    sent = [asked.headers["Authorization"] for asked in service.asked]
    assert sent == ["Bearer here", "Bearer s3cret"]


def test_a_secret_of_json_has_a_key(service: Service, aws: AwsStub, vault: Vault) -> None:
    vault.holds = '{"token": "s3cret", "user": "me"}'
    assert look(service.url, token_secret=ARN, **PART).error is None
    assert service.asked[0].headers["Authorization"] == "Bearer s3cret"
    for key, holds in (("tokem", vault.holds), ("token", "s3cret"), ("token", "[]")):
        vault.holds = holds
        said = look(service.url, token_secret=ARN, secret_key=key)
        assert f"no JSON with the key '{key}'" in str(said.error)
        assert "s3cret" not in str(said.error)
    given = {"url": service.url, "output": OUTPUT, "token_secret": ARN, "secret_key": "gone"}
    with pytest.raises(ModelError) as raised:
        Secret(HttpCard.model_validate(given), {}).header()
    cause = raised.value.__cause__ or not raised.value.__suppress_context__
    assert not cause, "an error of JSON has the document, which is the secret"


def test_a_secret_of_aws_for_a_header_of_its_own_is_sent_as_it_is(
    service: Service, aws: AwsStub
) -> None:
    look(service.url, token_secret=ARN, header="X-Api-Key")
    assert service.asked[0].headers["X-Api-Key"] == "s3cret"


def test_a_secret_that_may_not_be_read_is_told(service: Service, aws: AwsStub) -> None:
    aws.refusals = [Refused("AccessDeniedException", 400, "not authorized to perform: "
                            "secretsmanager:GetSecretValue on resource")]  # fmt: skip
    said = look(service.url, token_secret=ARN)
    assert f"cannot read the secret {ARN}: AWS says AccessDenied" in str(said.error)
    assert "let your AWS user or role do secretsmanager:GetSecretValue" in str(said.error)


def test_an_authority_of_ones_own_travels_with_the_card(desk: Desk, tmp_path: Path) -> None:
    certificate = certificate_in(tmp_path)
    if certificate is None:
        pytest.skip("no openssl program to make a certificate with")
    own = (tmp_path / "own.pem").read_bytes()
    with http_stub(desk.answer, certificate=certificate) as service:
        said = look(service.url, files={"own.pem": own}, ca_file="own.pem")
        assert said.error is None
        said = look(service.url)
    assert "its certificate is not trusted" in str(said.error)


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"url": "https://me:s3cret@a.example"}, "carries a login"),
        ({"url": "a.example/s3cret"}, "'url' must be http:// or https:// and a host"),
        ({"url": "http://169.254.169.254/latest"}, "learns its own credentials"),
        ({"token": "s3cret"}, "unknown key 'token'"),
        ({"headers": {"Authorization": "s3cret"}}, "looks like a secret"),
        ({"headers": {"x-api-key": "s3cret"}}, "header: x-api-key and secret_env: NAME"),
        ({"headers": {"Host": "b"}}, "is set by walkdown itself"),
        ({"headers": {"a b": "c"}}, "no name of a header"),
        ({"headers": {"X-A": "b\r\nX-B: s3cret"}}, "plain characters in one line"),
        ({"token_env": "s3cret-value"}, "'token_env' must be the name of an environment variable"),
        ({"secret_env": "s3cret/value="}, "'secret_env' must be the name"),
        ({"token_secret": "s3cret"}, "'token_secret' must be the whole ARN"),
        ({"token_env": "A", "secret_env": "B"}, "give one of them"),
        ({"token_env": "A", "header": "X-Key"}, "say secret_env"),
        ({"header": "X-Key"}, "'header' needs 'secret_env'"),
        ({"secret_key": "k"}, "for a 'token_secret' that holds JSON"),
        ({"url": "http://a.example", "token_env": "A"}, "can be read on the way"),
        ({"ca_file": "ca.pem"}, "which is none of its files"),
        ({"output": {}}, "needs one of 'score'"),
        ({"method": "GET"}, "'method' must be 'POST' or 'PUT'"),
        ({"timeout_s": 0}, "'timeout_s'"),
    ],
)
def test_a_wrong_card_is_told_when_it_is_added(card: dict[str, Any], words: str) -> None:
    told = refused(**card)
    assert "the card of far@1" in told
    assert words in told


def test_a_file_without_certificates_is_told() -> None:
    card = {"url": "https://a.example", "output": OUTPUT, "ca_file": "ca.pem"}
    with pytest.raises(ArtefactError, match="holds no certificates in PEM form"):
        open_model(pack("http", card, {"ca.pem": b"none \xff"}), label="far@1")


def test_the_pace_and_how_many_at_once_are_the_cards(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[int] = []
    monkeypatch.setattr("walkdown.sdk.pace.Pace.wait", lambda pace: turns.append(1))
    card = {"url": service.url, "output": OUTPUT, "per_second": 2, "at_once": 2}
    open_model(pack("http", card, {}), label="far@1").predict([PHOTO] * 4)
    assert len(turns) == 4
    assert service.connections <= 2


PAGE = (ROOT / "docs" / "models" / "http.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("text", BLOCKS)
def test_the_cards_of_the_page_open(text: str, tmp_path: Path) -> None:
    card = yaml.safe_load(text)
    files = {}
    if names := card.pop("files", []):
        if certificate_in(tmp_path) is None:
            pytest.skip("no openssl program to make a certificate with")
        files = {name: (tmp_path / "own.pem").read_bytes() for name in names}
    assert open_model(pack(card.pop("kind"), card, files), label="far@1").info.kind == "call"


def test_the_page_knows_every_key() -> None:
    keys = PAGE.split("## All keys")[1].split("[Input](")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", keys, re.MULTILINE)) == set(HttpCard.model_fields)


def test_the_page_names_every_key_of_input_and_output() -> None:
    tables = PAGE.split("In short, with links")[1].split("## ")[0]
    given, read = tables.split("key of [`output`]")
    assert set(InputCard.model_fields) <= set(re.findall(r"`(\w+)`", given))
    inner = (ScoreOutput, ClassesOutput, DetectionsOutput, MaskOutput)
    keys = set(OutputCard.model_fields).union(*(card.model_fields for card in inner))
    assert keys <= set(re.findall(r"`(\w+)`", read))
