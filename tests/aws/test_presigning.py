"""Addresses for one photograph each: what is signed, and what is refused before it is signed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from walkdown.aws.presigning import Signed, sign, wanted
from walkdown.errors import NotFound, SpecError
from walkdown.runners.executions import Deployment
from walkdown.sdk.aws import Aws

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
POLES = Deployment("poles", "line 7/", "machine", "plan")


def signed(event: dict[str, Any], *, mark: str = "5f3a") -> Signed:
    client = Aws(region="eu-central-1").signer()
    asked = wanted({"pipeline": "poles", "name": "a/b.jpg", **event})
    return sign(asked, [POLES], client=client, bucket="photos", mark=mark, now=NOW)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")


def test_the_address_names_the_bucket_in_its_region_and_binds_what_was_said() -> None:
    got = signed({"asset": "Mast 7", "content_type": "image/jpeg", "size": 1234})
    parts = urlsplit(got.url)
    assert parts.netloc == "photos.s3.eu-central-1.amazonaws.com"
    assert got.key == "line 7/a/b-5f3a.jpg"
    assert parts.path == "/line%207/a/b-5f3a.jpg"
    asked = parse_qs(parts.query)
    assert asked["X-Amz-Expires"] == ["900"]
    assert asked["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    bound = set(asked["X-Amz-SignedHeaders"][0].split(";"))
    assert bound == {"host", *got.headers} == {
        "host", "content-length", "content-type", "x-amz-meta-walkdown-asset"
    }  # fmt: skip
    assert "checksum" not in got.url, "a checksum of nothing would refuse the photograph"
    assert got.headers["content-length"] == "1234"
    assert (got.expires_at - NOW).total_seconds() == 900


def test_no_two_addresses_are_for_the_same_key() -> None:
    assert signed({}, mark="a").key != signed({}, mark="b").key
    assert not signed({}).headers


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"name": "../a.jpg"}, "photograph's name"),
        ({"name": "/a.jpg"}, "photograph's name"),
        ({"name": "a\x00.jpg"}, "do not print"),
        ({"name": "a\u202e.jpg"}, "do not print"),
        ({"name": "a.jpg/"}, "photograph's name"),
        ({"name": "a.html"}, "must end in"),
        ({"name": "x" * 300 + ".jpg"}, "too long"),
        ({"name": 7}, "is a text"),
        ({"name": ""}, "give the pipeline"),
        ({"pipeline": None}, "give the pipeline"),
        ({"content_type": "text/html"}, "no type of a photograph"),
        ({"content_type": "image/png\r\nx: y"}, "no type of a photograph"),
        ({"asset": "a\nb"}, "is no asset"),
        ({"taken_at": "soon"}, "is no time"),
        ({"size": 0}, "size is in bytes"),
        ({"size": 2**40}, "size is in bytes"),
        ({"size": True}, "size is in bytes"),
        ({"bucket": "other"}, "unknown: bucket"),
    ],
)
def test_what_cannot_be_asked_for(event: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        signed(event)


def test_an_unknown_pipeline_is_refused_with_those_there_are() -> None:
    with pytest.raises(NotFound, match="it has poles"):
        signed({"pipeline": "roofs"})
