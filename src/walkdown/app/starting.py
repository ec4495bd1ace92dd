"""The first pipeline file of a new workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

STARTER = """\
# A walkdown pipeline. All keys are described in docs/pipeline.md.
source: photos                # files and folders, below this file
# source:
#   paths: [photos, archive/2025]
#   include: ["*.jpg"]

# prepare:
#   max_pixels: 150000000     # larger images are refused
#   areas: {ignore: [[[0, 0.9], [1, 0.9], [1, 1], [0, 1]]]}     # a camera's caption, say
#   align: views/front.jpg    # a photograph of the view, over which the others are laid

stages:
  - name: screen
    model: cells              # name, name@alias or name@3; a name alone means name@live
#  - name: confirm            # a second, more exact model, over what the first one flagged
#    model: cells-fine
#    when: screen.score > 0.4

# decide: last                # last | any | all | vote
# asset: "{site}/{asset}/{view}/{name}"

severity:                     # the first rule that holds
  - {severity: high, when: score >= 0.8}
  - {severity: medium, when: score >= 0.6 or area_pct > 5}
  - severity: low

# outputs:
#   heatmaps: true
#   images: true              # keep a copy of each image, by content

alerts:
  - to: log
#  - {to: webhook, url: "https://example.com/hook", secret_env: HOOK_SECRET, min_severity: high}
#  - {to: smtp, host: mail.example.com, sender: walkdown@example.com,
#     recipients: [crew@example.com], username: walkdown, password_env: MAIL_PASSWORD}
"""


def write_starter(folder: Path) -> tuple[Path, bool]:
    """Write ``pipeline.yaml`` unless there is one; returns its path and whether it was written."""
    path = folder / "pipeline.yaml"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(STARTER)
    except FileExistsError:
        return path, False
    return path, True
