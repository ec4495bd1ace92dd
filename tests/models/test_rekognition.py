"""Amazon Rekognition as models: what is sent, what answers mean, and what is said when it fails."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image
from tests.services.aws_environment import Variables, nothing_else_of_aws
from tests.services.aws_stub import AwsStub, Refused
from tests.services.cases_rekognition import (
    ANSWERS,
    ARN,
    CARDS,
    CASES,
    PLACE,
    box,
    card,
    labels,
    person,
    rekognition,
    word,
)

from walkdown.errors import ArtefactError
from walkdown.imaging.decode import decode
from walkdown.models.artefact import pack
from walkdown.models.conformance import examine, photo_of
from walkdown.registry import open_model
from walkdown.types import Permission, Photo, Prediction, Verdict

KINDS = sorted(CARDS)


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> Variables:
    return nothing_else_of_aws(monkeypatch)


def noise(width: int, height: int, seed: int = 1) -> Photo:
    rng = np.random.default_rng(seed)
    return photo_of(rng.integers(0, 256, (height, width, 3), np.uint8))


PHOTO = noise(160, 120)


def asked(
    put: Variables, kind: str, answer: Any = None, photo: Photo = PHOTO, **more: Any
) -> tuple[Prediction, AwsStub]:
    """What a model with these keys more says where its service answers so."""
    with rekognition(kind, answer) as stub:
        put(stub.variables())
        (said,) = open_model(card(kind, **more), label="cells@3").predict([photo])
    return said, stub


@pytest.mark.parametrize("case", sorted(CASES))
def test_it_keeps_to_what_every_model_must(case: str, aws_environment: Variables) -> None:
    photos = [noise(160, 120, seed) for seed in range(3)]
    with CASES[case]() as running:
        aws_environment(running.variables)
        model = open_model(running.artefact, label="cells@3")
        assert [(f.check, f.why) for f in examine(model, photos) if f.why] == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_wrong_is_told_where_it_is_and_what_it_cost(
    kind: str, aws_environment: Variables
) -> None:
    """The place is in shares of the image: 0.25, 0.5 and 0.5 x 0.25 of 1600 x 1200 px."""
    large = Photo(PHOTO.pixels, 1600, 1200, "c")
    said, stub = asked(aws_environment, kind, photo=large)
    assert said.error is None
    assert said.verdict is Verdict.ANOMALY
    assert [call.operation for call in stub.calls] == [ANSWERS[kind][0]]
    places = [] if kind == "rekognition_moderation" else [(400, 600, 800, 300)]
    assert [region.box for region in said.regions] == places
    info = open_model(card(kind), label="cells@3").info
    assert said.cost_usd == (info.usd_per_image or None)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_sent_as_it_is_where_it_fits(kind: str, aws_environment: Variables) -> None:
    out = io.BytesIO()
    Image.fromarray(PHOTO.pixels).save(out, "PNG")
    photo = decode(out.getvalue(), name="a", at_least_px=None, max_pixels=10**8)
    _, stub = asked(aws_environment, kind, photo=photo)
    assert stub.calls[0].given["Image"] == {"Bytes": out.getvalue()}


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_that_is_too_large_or_too_small_stays_within_the_limits(
    kind: str, aws_environment: Variables
) -> None:
    longest = 4096 if kind in ("rekognition_equipment", "rekognition_custom") else 10_000
    _, stub = asked(aws_environment, kind, photo=noise(longest + 900, 120))
    (call,) = stub.calls
    image = Image.open(io.BytesIO(call.given["Image"]["Bytes"]))
    assert image.width == longest
    said, stub = asked(aws_environment, kind, photo=noise(200, 60))
    assert "200 x 60 px can't be sent" in str(said.error)
    assert stub.calls == [], "what the service would refuse is not sent"


@pytest.mark.parametrize("kind", ["rekognition_labels", "rekognition_custom"])
def test_a_file_of_too_many_bytes_is_made_smaller(kind: str, aws_environment: Variables) -> None:
    out = io.BytesIO()
    Image.fromarray(noise(1500, 1300).pixels).save(out, "PNG")
    photo = decode(out.getvalue(), name="a", at_least_px=None, max_pixels=10**8)
    _, stub = asked(aws_environment, kind, photo=photo)
    sent = stub.calls[0].given["Image"]["Bytes"]
    most = 4_000_000 if kind == "rekognition_custom" else 5_242_880
    assert len(sent) <= most < len(out.getvalue())
    assert Image.open(io.BytesIO(sent)).size == (1500, 1300)


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_is_nonsense_fails_its_image_alone(
    kind: str, aws_environment: Variables
) -> None:
    """What comes is not checked by the stub here, but raw: another server may say anything."""
    name = next(iter(ANSWERS[kind][1])).encode()
    for raw in (b"<html>", b"{}", b"[]", b'{"%s": [{}]}' % name, b'{"%s": 3}' % name):
        with rekognition(kind) as stub:
            stub.answer = lambda *_, raw=raw: (200, {}, raw)  # type: ignore[method-assign]
            aws_environment(stub.variables())
            (said,) = open_model(card(kind), label="cells@3").predict([PHOTO])
        assert said.verdict is None
        assert f"cells@3: the answer of {ANSWERS[kind][0]} is not as its service" in str(
            said.error
        ) or "cannot ask Rekognition for cells@3" in str(said.error), raw


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (Refused("AccessDeniedException", 400), "let your AWS user or role do"),
        (Refused("ImageTooLargeException"), "make it smaller"),
        (Refused("InvalidImageFormatException"), "save it as JPEG or PNG"),
        (Refused("UnrecognizedClientException", 400), "the AWS credentials are not valid"),
        (Refused("ExpiredTokenException", 400), "the sign-in has expired"),
    ],
)
def test_a_refusal_is_told_with_what_to_do(
    refused: Refused, words: str, aws_environment: Variables
) -> None:
    with rekognition("rekognition_faces") as stub:
        stub.refusals.append(refused)
        aws_environment(stub.variables())
        model = open_model(card("rekognition_faces"), label="cells@3")
        said = [model.predict([PHOTO])[0] for _ in range(2)]
    assert "cannot ask Rekognition for cells@3: AWS says" in str(said[0].error)
    assert words in str(said[0].error)
    assert said[1].error is None, "the next one is asked for all the same"


def test_a_throttled_call_is_tried_again_and_then_told(aws_environment: Variables) -> None:
    with rekognition("rekognition_faces") as stub:
        aws_environment(stub.variables())
        model = open_model(card("rekognition_faces"), label="cells@3")
        stub.refusals += [Refused("ThrottlingException"), Refused("ServiceUnavailable", 503)]
        assert model.predict([PHOTO])[0].error is None
        assert len(stub.calls) == 3
        stub.refusals += [Refused("ProvisionedThroughputExceededException")] * 6
        (said,) = model.predict([PHOTO])
        assert len(stub.calls) == 9
    assert "AWS answers more slowly than it is asked" in str(said.error)


def test_no_network_is_told(aws_environment: Variables) -> None:
    with rekognition("rekognition_faces") as stub:
        variables = stub.variables()
    aws_environment(variables)
    (said,) = open_model(card("rekognition_faces"), label="cells@3").predict([PHOTO])
    assert "cannot ask Rekognition for cells@3: AWS cannot be reached" in str(said.error)


def test_no_credentials_and_no_region_are_told(aws_environment: Variables) -> None:
    artefact = card("rekognition_faces")
    (said,) = open_model(artefact, label="cells@3").predict([PHOTO])
    assert "no AWS region is set" in str(said.error)
    aws_environment({"AWS_DEFAULT_REGION": "eu-central-1"})
    (said,) = open_model(artefact, label="cells@3").predict([PHOTO])
    assert "no AWS credentials were found" in str(said.error)


def test_the_region_of_the_card_is_asked(aws_environment: Variables) -> None:
    _, stub = asked(aws_environment, "rekognition_faces")
    assert stub.calls[0].region == "eu-central-1", "the one that is set up"
    _, stub = asked(aws_environment, "rekognition_faces", region="us-east-1")
    assert stub.calls[0].region == "us-east-1"


@pytest.mark.parametrize("kind", KINDS)
def test_a_role_needs_no_more_than_the_operation(kind: str) -> None:
    info = open_model(card(kind), label="cells@3").info
    on = ARN if kind == "rekognition_custom" else "*"
    assert info.permissions == (Permission((f"rekognition:{ANSWERS[kind][0]}",), (on,)),)
    assert (info.kind, info.deterministic) == ("call", True)


def test_the_functions_of_a_stack_bring_the_service_along() -> None:
    from walkdown.aws.package import SERVICES

    assert "rekognition" in SERVICES


def test_opening_asks_nothing_and_loads_no_sdk() -> None:
    code = (
        "import sys\n"
        "from walkdown.models.artefact import pack\n"
        "from walkdown.registry import open_model\n"
        f"for kind, card in {CARDS!r}.items(): open_model(pack(kind, card, {{}}), label='a')\n"
        "assert 'boto3' not in sys.modules and 'botocore' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        ("rekognition_labels", {"rule": None, "minimum": None}, "needs a 'rule', a 'minimum'"),
        ("rekognition_labels", {"rule": None, "minimum": {}}, "needs a 'rule', a 'minimum'"),
        ("rekognition_labels", {"minimum": {"sharpnes": 3}}, "did you mean 'sharpness'?"),
        ("rekognition_labels", {"region": "Frankfurt"}, "must be a region such as eu-central-1"),
        ("rekognition_labels", {"per_second": 0}, "'per_second'"),
        ("rekognition_labels", {"regin": "eu-central-1"}, "did you mean 'region'?"),
        ("rekognition_text", {"required": [], "forbidden": []}, "at least one of 'required'"),
        ("rekognition_text", {"required": [{"pattern": "("}]}, "is no regular expression"),
        ("rekognition_text", {"required": [{"pattern": "a{99999999999}"}]}, "number of times"),
        ("rekognition_text", {"required": [{"pattern": "(?:a)"}]}, "'(?' are not known"),
        ("rekognition_text", {"required": [{"name": "x"}]}, "needs either a 'text' or a"),
        ("rekognition_text", {"required": [110]}, "must hold"),
        ("rekognition_moderation",
         {"rule": {"forbidden": [{"label": "a", "inside": [0, 0, 1, 1]}]}}, "leave out 'inside'"),
        ("rekognition_faces", {"rule": {"forbidden": "faces"}}, "the only label here is 'face'"),
        ("rekognition_equipment", {"required": ["helmet"]}, "'head cover'"),
        ("rekognition_equipment", {"required": []}, "must not be an empty list"),
        ("rekognition_custom", {"project_version": "parts"}, "must be the ARN of a project's"),
        ("rekognition_custom", {"inference_units": 0}, "must be at least 1"),
    ],
)  # fmt: skip
def test_a_wrong_card_is_told_when_it_is_opened(
    kind: str, more: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(ArtefactError) as e:
        open_model(card(kind, **more), label="cells@new")
    assert words in str(e.value)
    assert str(e.value).startswith("the card of cells@new: ")


class TestLabels:
    KIND = "rekognition_labels"

    def test_what_is_asked_for_follows_from_the_card(self, aws_environment: Variables) -> None:
        said, stub = asked(
            aws_environment,
            self.KIND,
            minimum=None,
            rule={"forbidden": [{"label": "Fire", "confidence": 0.3}], "confidence": 0.8},
        )
        given = {k: v for k, v in stub.calls[0].given.items() if k != "Image"}
        assert given == {"Features": ["GENERAL_LABELS"], "MaxLabels": 1000, "MinConfidence": 15.0}
        assert said.cost_usd == 0.001
        said, stub = asked(aws_environment, self.KIND, rule=None)
        given = {k: v for k, v in stub.calls[0].given.items() if k != "Image"}
        assert given == {"Features": ["IMAGE_PROPERTIES"]}
        assert said.cost_usd == 0.00075
        said, _ = asked(aws_environment, self.KIND, usd_per_image=0.0004)
        assert said.cost_usd == 0.0004

    def test_parents_count_only_where_they_are_named(self, aws_environment: Variables) -> None:
        car = {"Name": "Car", "Confidence": 98.0, "Parents": [{"Name": "Vehicle"}],
               "Instances": [{"BoundingBox": PLACE, "Confidence": 97.0}]}  # fmt: skip
        answer = labels(car, {"Name": "Vehicle", "Confidence": 98.0})
        said, _ = asked(aws_environment, self.KIND, answer, rule={"only": "car"})
        assert said.verdict is Verdict.NORMAL
        said, _ = asked(aws_environment, self.KIND, answer, rule={"forbidden": "vehicle"})
        assert said.labels == ("vehicle",)

    def test_another_name_of_the_same_is_the_same(self, aws_environment: Variables) -> None:
        phone = {"Name": "Mobile Phone", "Confidence": 99.0, "Aliases": [{"Name": "Cell Phone"}]}
        said, _ = asked(aws_environment, self.KIND, labels(phone), rule={"forbidden": "cell phone"})
        assert said.labels == ("cell phone",)

    def test_instances_are_counted(self, aws_environment: Variables) -> None:
        bolts = {"Name": "Bolt", "Confidence": 99.0, "Instances": [
            {"BoundingBox": box(at, 0.1, 0.1, 0.1), "Confidence": sure}
            for at, sure in ((0.1, 95.0), (0.4, 90.0), (0.7, 30.0))
        ]}  # fmt: skip
        rule = {"required": [{"label": "bolt", "at_least": 3}]}
        said, _ = asked(aws_environment, self.KIND, labels(bolts), rule=rule)
        assert (said.labels, said.score) == (("missing bolt",), 0.7)

    def test_a_bad_photograph_is_unusable_with_advice(self, aws_environment: Variables) -> None:
        dull = labels({"Name": "Helmet", "Confidence": 99.0}, sharpness=12.3)
        said, _ = asked(aws_environment, self.KIND, dull, minimum={"sharpness": 20, "contrast": 10})
        assert (said.verdict, said.score, said.labels) == (Verdict.UNUSABLE, None, ())
        assert said.note == (
            "take it again: sharpness 12 of at least 20: hold the camera still, focus, and clean "
            "the lens"
        )
        said, _ = asked(aws_environment, self.KIND, dull, rule=None)
        assert said.verdict is Verdict.UNUSABLE
        said, _ = asked(aws_environment, self.KIND, dull, minimum={"brightness": 60})
        assert said.verdict is Verdict.NORMAL, "60 of at least 60 will do"

    def test_what_is_seen_on_a_bad_photograph_is_there(self, aws_environment: Variables) -> None:
        dull = labels({"Name": "Fire", "Confidence": 99.0}, sharpness=1.0)
        said, _ = asked(aws_environment, self.KIND, dull)
        assert (said.verdict, said.labels) == (Verdict.ANOMALY, ("Fire",)), "no missing helmet"
        assert "take it again" in str(said.note)


class TestText:
    KIND = "rekognition_text"

    @staticmethod
    def lines(*texts: str, confidence: float = 99.0) -> dict[str, Any]:
        """Lines of equal words below each other, as the service gives them."""
        found, number = [], 0
        for row, text in enumerate(texts):
            top, line = 0.1 + 0.2 * row, number
            found.append(word(text, confidence, box(0.0, top, 1.0, 0.1), number))
            for column, part in enumerate(text.split()):
                number += 1
                at = box(0.2 * column, top, 0.2, 0.1)
                found.append(word(part, confidence, at, number, line))
            number += 1
        return {"TextDetections": found}

    @pytest.mark.parametrize(
        ("wanted", "read", "label"),
        [
            ("DANGER", ["DANGER"], None),
            ("danger", ["DANGER keep out"], None),
            ("HIGH VOLTAGE", ["HIGH", "VOLTAGE"], None),
            ("NO ENTRY", ["NOENTRY"], None),
            ("KEEPOUT", ["KEEP OUT"], None),
            ("DANGER", ["DANGFR"], "misspelled DANGER"),
            ("DANGER", ["DAGNER"], "misspelled DANGER"),
            ("DANGER", ["DANGEER"], "misspelled DANGER"),
            ("DANGER", ["DUNGFR"], "missing DANGER"),
            ("HIGH VOLTAGE", ["HIHG VOLTAE"], "misspelled HIGH VOLTAGE"),
            ("110", ["111"], "missing 110"),
            ("DANGER", [], "missing DANGER"),
            ("DANGER", ["DANGFR", "DANGER"], None),
        ],
    )
    def test_texts_are_found_misspelled_or_missing(
        self, wanted: str, read: list[str], label: str | None, aws_environment: Variables
    ) -> None:
        answer = self.lines(*read)
        said, _ = asked(aws_environment, self.KIND, answer, required=wanted, forbidden=[])
        assert said.error is None
        assert said.labels == ((label,) if label else ())
        assert (said.verdict is Verdict.ANOMALY) == (label is not None)
        assert said.note is not None
        assert all(line in said.note for line in read)

    def test_the_box_is_around_the_words(self, aws_environment: Variables) -> None:
        answer = self.lines("keep HIHG VOLTAGE out")
        said, _ = asked(aws_environment, self.KIND, answer, required="HIGH VOLTAGE", forbidden=[])
        assert [region.box for region in said.regions] == [(32, 12, 64, 12)]

    def test_the_case_matters_where_the_card_says_so(self, aws_environment: Variables) -> None:
        answer = self.lines("danger")
        said, _ = asked(aws_environment, self.KIND, answer, required="DANGER", match_case=True)
        assert said.labels == ("missing DANGER",)

    def test_no_letter_may_differ_where_the_card_says_so(self, aws_environment: Variables) -> None:
        said, _ = asked(aws_environment, self.KIND, self.lines("DANGFR"), edits=0)
        assert said.labels == ("missing DANGER",)

    def test_a_pattern_is_searched_for_in_each_line(self, aws_environment: Variables) -> None:
        wanted = {"pattern": r"\bSN-\d{4}\b", "name": "serial number"}
        said, _ = asked(
            aws_environment, self.KIND, self.lines("made in", "no SN-1234 x"), required=[wanted]
        )
        assert said.verdict is Verdict.NORMAL
        said, _ = asked(aws_environment, self.KIND, self.lines("SN-12", "34"), required=[wanted])
        assert said.labels == ("missing serial number",)

    def test_what_is_forbidden_is_boxed_where_it_is_read(self, aws_environment: Variables) -> None:
        answer = self.lines("DANGER", "now VOID")
        said, _ = asked(aws_environment, self.KIND, answer)
        assert said.labels == ("void",)
        assert [region.box for region in said.regions] == [(32, 36, 32, 12)]

    def test_a_place_is_looked_at_alone(self, aws_environment: Variables) -> None:
        left = {"text": "DANGER", "inside": [0, 0, 0.3, 1]}
        said, _ = asked(aws_environment, self.KIND, self.lines("DANGER"), required=[left])
        assert said.verdict is Verdict.NORMAL
        said, _ = asked(aws_environment, self.KIND, self.lines("keep x DANGER"), required=[left])
        assert said.labels == ("missing DANGER",)
        assert [region.box for region in said.regions] == [(0, 0, 48, 120)]

    def test_what_is_hardly_read_is_odd_by_degrees(self, aws_environment: Variables) -> None:
        sure, _ = asked(aws_environment, self.KIND, self.lines("DANGER", confidence=85.0))
        hardly, stub = asked(aws_environment, self.KIND, self.lines("DANGER", confidence=70.0))
        assert sure.verdict is Verdict.NORMAL
        assert hardly.labels == ("missing DANGER",)
        assert hardly.score == pytest.approx(1 - 0.5 * 0.7 / 0.8)
        given = stub.calls[0].given["Filters"]
        assert given == {"WordFilter": {"MinConfidence": 40.0}}

    def test_a_misspelling_that_is_hardly_read_is_no_misspelling(
        self, aws_environment: Variables
    ) -> None:
        said, _ = asked(aws_environment, self.KIND, self.lines("DANGFR", confidence=60.0))
        assert said.labels == ("missing DANGER",)


class TestModeration:
    KIND = "rekognition_moderation"
    ANSWER: ClassVar = {"ModerationLabels": [
        {"Name": "Violence", "Confidence": 70.0, "ParentName": ""},
        {"Name": "Weapons", "Confidence": 65.0, "ParentName": "Violence"},
    ]}  # fmt: skip

    def test_any_label_is_an_anomaly_from_the_confidence_on(
        self, aws_environment: Variables
    ) -> None:
        said, stub = asked(aws_environment, self.KIND, self.ANSWER)
        assert said.labels == ("Violence", "Weapons")
        assert stub.calls[0].given["MinConfidence"] == 30.0
        said, _ = asked(aws_environment, self.KIND, self.ANSWER, confidence=0.75)
        assert said.verdict is Verdict.NORMAL
        said, _ = asked(aws_environment, self.KIND, {"ModerationLabels": []})
        assert (said.verdict, said.score) == (Verdict.NORMAL, 0.0)

    def test_a_rule_names_what_is_not_wanted(self, aws_environment: Variables) -> None:
        rule = {"forbidden": ["Weapons"]}
        said, _ = asked(aws_environment, self.KIND, self.ANSWER, rule=rule)
        assert said.labels == ("Weapons",)


class TestFaces:
    KIND = "rekognition_faces"

    def test_nothing_but_places_is_asked_for(self, aws_environment: Variables) -> None:
        _, stub = asked(aws_environment, self.KIND)
        assert stub.calls[0].given["Attributes"] == ["DEFAULT"]

    def test_so_many_may_be_there(self, aws_environment: Variables) -> None:
        rule = {"forbidden": [{"label": "face", "at_least": 2}]}
        said, _ = asked(aws_environment, self.KIND, rule=rule)
        assert (said.verdict, said.note) == (Verdict.NORMAL, "faces: 1")


class TestEquipment:
    KIND = "rekognition_equipment"
    LEFT, RIGHT = box(0.0, 0.0, 0.5, 1.0), box(0.5, 0.0, 0.5, 1.0)

    def test_who_wears_it_not_is_boxed(self, aws_environment: Variables) -> None:
        answer = {"Persons": [person(0, 95.0, self.LEFT), person(1, 30.0, self.RIGHT)]}
        said, stub = asked(aws_environment, self.KIND, answer)
        assert said.labels == ("no head cover",)
        assert [region.box for region in said.regions] == [(80, 0, 80, 120)]
        assert said.score == pytest.approx(1 - 0.5 * 0.3 / 0.8)
        assert set(stub.calls[0].given) == {"Image"}

    def test_all_who_wear_it_are_well(self, aws_environment: Variables) -> None:
        said, _ = asked(aws_environment, self.KIND, {"Persons": [person(0, 80.0, self.LEFT)]})
        assert (said.verdict, said.score, said.regions) == (Verdict.NORMAL, 0.4999, ())
        said, _ = asked(aws_environment, self.KIND, {"Persons": []})
        assert (said.verdict, said.score, said.note) == (Verdict.NORMAL, 0.0, "persons: 0")

    def test_what_is_worn_elsewhere_protects_nobody(self, aws_environment: Variables) -> None:
        answer = {"Persons": [person(0, 95.0, self.LEFT, covers=False)]}
        said, _ = asked(aws_environment, self.KIND, answer)
        assert said.labels == ("no head cover",)

    def test_both_hands_must_be_covered(self, aws_environment: Variables) -> None:
        def hand(side: str, confidence: float) -> dict[str, Any]:
            covers = {"Value": True, "Confidence": 99.0}
            worn = {"Type": "HAND_COVER", "Confidence": confidence, "BoundingBox": PLACE,
                    "CoversBodyPart": covers}  # fmt: skip
            return {"Name": f"{side}_HAND", "Confidence": 99.0, "EquipmentDetections": [worn]}

        whole = person(0, 95.0, self.LEFT)
        whole["BodyParts"] = [hand("LEFT", 95.0), hand("RIGHT", 20.0)]
        more: dict[str, Any] = {"required": ["hand cover"]}
        said, _ = asked(aws_environment, self.KIND, {"Persons": [whole]}, **more)
        assert said.labels == ("no hand cover",)
        whole["BodyParts"] = [hand("LEFT", 95.0)]
        said, _ = asked(aws_environment, self.KIND, {"Persons": [whole]}, **more)
        assert said.verdict is Verdict.NORMAL, "the other one is not to be seen"

    def test_who_is_not_to_be_seen_is_as_the_card_says(self, aws_environment: Variables) -> None:
        answer = {"Persons": [person(0, None, self.LEFT)]}
        said, _ = asked(aws_environment, self.KIND, answer)
        assert (said.verdict, said.note) == (Verdict.NORMAL, "persons: 1; not to be seen: 1")
        said, _ = asked(aws_environment, self.KIND, answer, unseen="missing")
        assert said.labels == ("no head cover",)

    def test_what_is_hardly_a_person_does_not_count(self, aws_environment: Variables) -> None:
        ghost = person(0, 0.0, self.LEFT) | {"Confidence": 40.0}
        said, _ = asked(aws_environment, self.KIND, {"Persons": [ghost]})
        assert said.verdict is Verdict.NORMAL


class TestCustomLabels:
    KIND = "rekognition_custom"

    def test_the_version_is_asked_in_the_region_of_its_arn(
        self, aws_environment: Variables
    ) -> None:
        said, stub = asked(aws_environment, self.KIND, region="us-east-1")
        assert said.labels == ("scratch",)
        (call,) = stub.calls
        assert (call.region, call.given["ProjectVersionArn"]) == ("eu-west-1", ARN)
        assert call.given["MinConfidence"] == 25.0

    def test_a_label_of_the_whole_image_has_no_place(self, aws_environment: Variables) -> None:
        answer = {"CustomLabels": [{"Name": "scratch", "Confidence": 81.0}]}
        said, _ = asked(aws_environment, self.KIND, answer)
        assert (said.labels, said.regions) == (("scratch",), ())

    def test_one_that_does_not_run_names_the_command_that_starts_it(
        self, aws_environment: Variables
    ) -> None:
        with rekognition(self.KIND) as stub:
            stub.refusals.append(Refused("ResourceNotReadyException"))
            aws_environment(stub.variables())
            (said,) = open_model(card(self.KIND), label="parts@2").predict([PHOTO])
        assert said.error == (
            "parts@2 does not run in eu-west-1; start it: walkdown models start parts@2"
        )

    def test_one_that_is_not_there_says_where_it_was_looked_for(
        self, aws_environment: Variables
    ) -> None:
        with rekognition(self.KIND) as stub:
            stub.refusals.append(Refused("ResourceNotFoundException"))
            aws_environment(stub.variables())
            model = open_model(card(self.KIND, region="us-east-1"), label="parts@2")
            (said,) = model.predict([PHOTO])
        assert "in eu-west-1 (of its ARN; the card says us-east-1)" in str(said.error)
        assert "it does not exist in this account and region" in str(said.error)

    def test_what_the_card_says_of_its_price_is_its_price(self) -> None:
        info = open_model(card(self.KIND, usd_per_image=0.002), label="a").info
        assert info.usd_per_image == 0.002
        assert open_model(pack(self.KIND, CARDS[self.KIND], {}), label="a").info.usd_per_image == 0
