"""Results as the lake gets them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from walkdown.types import (
    Exif,
    Nearest,
    Prediction,
    Region,
    Result,
    ResultKey,
    Severity,
    StageResult,
    Status,
    Verdict,
)

NOW = datetime(2026, 5, 1, 23, 30, tzinfo=UTC)
NEAREST = Nearest("good/7.png", (9, 9, 8, 8), (0, 1, 8, 8), "models/d/patches.jpg", (0, 0, 8, 8))
CRACK = Region((1, 2, 3, 4), 0.5, 0.75, "crack", NEAREST)
SCRATCH = Region((5, 6, 7, 8), 1.5, 0.625, "scratch")
GATE = StageResult("gate", "gate@2", "d0", Prediction(Verdict.NORMAL, 0.25, 1.0))
LOOK = StageResult(
    "look",
    "cells@1",
    "d1",
    Prediction(Verdict.ANOMALY, 0.75, 3.5, ("crack", "scratch"), (CRACK, SCRATCH), p_normal=0.01),
    "heatmaps/x.png",
)


def result(capture: str = "c1", **changes: object) -> Result:
    whole = Result(
        key=ResultKey("w", capture, "plan"),
        uri=f"file:///photos/{capture}.jpg",
        image=f"photos/{capture}.jpg",
        status=Status.DONE,
        actor="ada",
        recorded_at=NOW,
        content="ab" * 32,
        verdict=Verdict.ANOMALY,
        score=0.75,
        raw_score=3.5,
        model="cells@1",
        severity=Severity.HIGH,
        asset="pole-1",
        viewpoint="north",
        stages=(GATE, LOOK),
        width_px=300,
        height_px=200,
        exif=Exif(NOW - timedelta(days=1), "DJI M3T", 47.5, 8.25, 400.0),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def failed(capture: str, at: datetime = NOW) -> Result:
    return Result(
        key=ResultKey("w", capture, "plan"),
        uri=f"file:///{capture}",
        image=capture,
        status=Status.FAILED,
        actor="ada",
        recorded_at=at,
        error="cut off",
    )
