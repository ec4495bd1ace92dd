"""The page of all benchmarks: each command writes its own part, between its own marks.

A page that is not there is made with every part still empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

COMPARISON, LABELLED, FALSE_ALARMS = "compare", "labelled", "false-alarms"
FUNCTIONS = "functions"
CASCADE = "cascade"
QUALITY, VIEWS = "quality", "views"
"""On the page of the models that need no service."""


def mark(part: str) -> tuple[str, str]:
    """The lines before and after a part."""
    return f"<!-- {part}: written by `make {part}` -->", f"<!-- /{part} -->"


def _section(title: str, text: str, part: str) -> str:
    return f"## {title}\n\n{text.strip()}\n\n" + "\n".join(mark(part)) + "\n"


NEW_PAGE = "\n".join(
    [
        "# Benchmarks\n\nWhat the figures mean, and the commands that make them again.\n",
        _section(
            "walkdown beside anomalib",
            """
The same weights (EfficientNet-Lite2, ImageNet), the same photographs, the same machine, alternating
runs. anomalib gets the normalisation that the weights expect, and each of its models two input
sizes, of which the one with the higher AUROC counts (in bold); its times leave out validation,
metrics and pictures. A fit that passes a limit is stopped, is shown as such and counts towards no
claim. walkdown chooses its size itself, and its times hold everything: choosing how to look and the
threshold in the fit, and copies, heat maps and records in the inspection. AUROC is of images, AUPRO
of pixels up to 30 % false positives; both sides are measured by the same code. "walkdown, like
patchcore" has the size, maps, grid and share of patches in the bank of anomalib's PatchCore: only
the making differs. How to run it, and what still differs: `benchmarks/anomalib/README.md`.
""",
            COMPARISON,
        ),
        _section(
            "With a few labelled anomalies",
            """
Of each set's anomalies k = min(10, half) are drawn by chance and given to the training, without
masks; the others are judged together with test/good. 20 seeded draws a set: mean AUROC with its
95 % interval, and the least and the greatest. Draws of one set share photographs, so that the
interval tells the luck of the draw and nothing of other sets. "without" is the same model's AUROC
on the same photographs when it is given no anomaly. Each photograph's features are extracted once
for all draws; the first draw is also made by a whole training and inspection, and "off by" is the
greatest difference of raw scores between the two ways. Nothing was tuned on these figures.
""",
            LABELLED,
        ),
        _section(
            "Do the bounds of the false-alarm rate hold?",
            """
Of each set the normal photographs of train/good and test/good are pooled and split by chance again
and again: a part is learned from and gives threshold and bounds, the rest is judged. "inside, new
images" is how often the share of alarms among the rest lay inside the bounds told for so many new
images (95 % by intention), "width rate / Beta" the median width of the bounds of the rate itself
against the exact Beta interval's. Banks are small (200 rows of 144 cells a photograph), so that
hundreds of splits are cheap: bounds must hold for any way of scoring.
""",
            FALSE_ALARMS,
        ),
        _section(
            "The function that looks",
            """
The zip that is deployed, under AWS's own runtime client with 1,769 MB and 600 s; S3 and DynamoDB
are emulated on the same machine, so that their time is no network's. A cold start is a new process
until it has answered a look at one image, the load of the model included. A warm look at a batch
takes turns with the local runner on the same files; 1,769 MB come with one vCPU, so both sides have
the same core, and the emulator has the other. The interval is a percentile bootstrap over pairs
(95 %). Photographs are read, and heat maps stored, while others are looked at: one after the other
the ratio was 1.64, and of processor time 1.24. Not measured: Lambda's own start of a machine, and
the download of the zip.
""",
            FUNCTIONS,
        ),
        _section(
            "Cascades: what they save, what they miss, and what audits tell of it",
            """
Two memory banks a set, learned from train/good alone: stage 2 as a training makes it, stage 1 at
half its size with 200 rows. A fifth of normal images, by how odd stage 1 finds them, is meant to go
on to stage 2 (`when: screen.p_normal <= 0.2`); of what is passed a fifth is audited. All of this
was chosen on training folders (docs/experiments.md). "Seen by stage 2" are those that went on, and
those that were audited. Seconds are of whole inspections, in turns with stage 2 alone: median,
least and greatest of 5. Other programs ran beside, by which the clock is moved more than the
processor's time. A set here is half anomalies, which all should go on: where anomalies are rare,
expect what the last column says. "Missed by stage 1, estimated" is what a user is told: of stage
2's anomalies, from the audited ones alone, with a 95 % interval; "truly" is from a look of stage 2
at everything. What is missed by the labels stands beside it (Clopper and Pearson, 95 %).

Whether that interval holds is asked in 1,000 seeded populations of 2,000 images each, drawn with
replacement from all test images of all sets, each of them as a file of its own, with more or fewer
anomalies by label. "Inside" counts the populations whose true miss rate lies in it. "Of a share" is
Clopper and Pearson's interval for the share of the audited images, carried through the same
formula: what was told before. "Of anomalies" is theirs for the miss rate itself, if the audit drew
the same share of all images, flagged or passed, and counted the anomalies among them: a direct
sample as large. Widths are medians. The aims: 925 inside, and at most 1.3 times Clopper and
Pearson's width.
""",
            CASCADE,
        ),
    ]
)


def put(page: Path, part: str, text: str) -> None:
    """Write a part of the page; the rest stays as it is.

    Raises ValueError where an existing page has no marks for it.
    """
    start, end = mark(part)
    whole = page.read_text(encoding="utf-8") if page.exists() else NEW_PAGE
    before, found, rest = whole.partition(start)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise ValueError(f"{page} has no marks for the table: put the lines {start} and {end}")
    page.write_text(f"{before}{start}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")


def about(machine: Mapping[str, str]) -> str:
    """What the figures were measured on, in a line."""
    return " · ".join(f"{k} {v}" for k, v in machine.items())


def markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table."""
    whole = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in whole)
