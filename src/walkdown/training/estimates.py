"""What a training will take, told before it begins: time, memory, and the size of the model.

One photograph is looked at and one product is timed on this machine. What a
fit does of each is counted from the photographs and the options; the counts follow the code of
`choosing`, `crossfit` and `memory_bank`. The figures are good to a factor of two or so: whether
anything beyond the bank is worth learning is only found out on the way.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from walkdown.errors import ImageError
from walkdown.models.bank import TILE_PX
from walkdown.models.looking import CELL_PX, scaled
from walkdown.training import backbones, choosing, variants

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from walkdown.training.choosing import Candidate
    from walkdown.training.extraction import Extractor
    from walkdown.types import ImageRef

MIB = 2.0**20

LIBRARIES_MIB = 240.0
"""Python, its libraries and the network's weights."""

NETWORK_BYTES = 300.0
"""Memory of the network while it looks, for each pixel, in each thread."""

POOL_TIMES = 4.3
"""How often the pool of patches lies in memory at once: as it is, put together, and standardised
in double precision."""

WINDOW_SHARE = 0.6
"""Cost of looking at a planted defect, as a share of looking at its photograph."""

TILE_BYTES = 3000.0
"""Of a tile in the picture of the bank."""

_PRODUCT = (4096, 512, 64)
_OVERHEAD_S = 2.0
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Measured:
    """What this machine needs: seconds to look at a photograph in one thread, to carry out 10^9
    multiplications and additions; and the cells of that photograph.
    """

    look_s: float
    giga_s: float
    cells: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done: how many photographs, and the options of the fit.

    ``rows`` and ``depth`` are those of the bank, ``network_mib`` the size of the network, and
    ``preferred`` what labelled anomalies, so many, choose from.
    """

    photographs: int
    candidate: Candidate
    compared: Sequence[Candidate]
    rows: int
    depth: int
    pool_numbers: int
    folds: int
    calibrate: int
    workers: int
    network_mib: float
    anomalies: int = 0
    preferred: Sequence[Candidate] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds and peak memory of a training, and the size of its model.

    ``fast_s`` and ``fast_mib`` are those without comparing ways to look.
    """

    photographs: int
    seconds: float
    memory_mib: float
    model_mib: float
    fast_s: float
    fast_mib: float

    @property
    def sentence(self) -> str:
        """For people."""
        text = (
            f"{self.photographs} photographs: about {_time(self.seconds)}, up to "
            f"{_size(self.memory_mib)} of memory, a model of {_size(self.model_mib)}"
        )
        if self.fast_s < self.seconds:
            fast = f"{_time(self.fast_s)} and {_size(self.fast_mib)}"
            text += f"; --fast, which compares no ways to look at them: {fast}"
        return text


def measure(
    refs: Sequence[ImageRef], extractor: Extractor, *, clock: Callable[[], float]
) -> Measured | None:
    """Look at a photograph in the middle; None where the first few tried can't be decoded."""
    for ref in refs[len(refs) // 2 :][:_TRIES]:
        try:
            photo = extractor.photo(ref)
        except ImageError:
            continue
        image = scaled(photo, extractor.size)

        def look(ref: ImageRef = ref) -> None:
            for _ in extractor.windows(scaled(extractor.photo(ref), extractor.size)):
                pass

        return Measured(
            look_s=_fastest(look, clock),
            giga_s=_fastest(_product(), clock) * 1e9 / np.prod(_PRODUCT, dtype=np.float64),
            cells=image.shape[1] * image.shape[2] // CELL_PX**2,
        )
    return None


def estimate(plan: Plan, measured: Measured) -> Estimate:
    """What this plan takes on the machine that was measured."""
    fast_s, fast_mib = _fit_s(plan, measured), _fit_mib(plan, measured)
    seconds, memory = fast_s, fast_mib
    if plan.compared and plan.photographs >= choosing.MIN_PHOTOS:
        seconds += _compare_s(plan, measured) + _prefer_s(plan, measured)
        memory = max(memory, _compare_mib(plan, measured))
    numbers = 2.0 * plan.rows * plan.depth * 4.0
    model = plan.network_mib + (numbers + plan.rows * TILE_BYTES) / MIB
    return Estimate(plan.photographs, seconds, memory, model, fast_s, fast_mib)


def now() -> float:
    """The clock that `measure` is given where time is to be told to a person."""
    return time.perf_counter()


def _fit_s(plan: Plan, measured: Measured) -> float:
    """Extract, cross-fit, build."""
    pool = _pool(plan, measured)
    coreset = pool * plan.rows * plan.depth * 1e-9 * measured.giga_s
    judged = min(plan.photographs, plan.calibrate)
    judge_s = measured.cells * plan.rows * plan.depth * 1e-9 * measured.giga_s
    drawn = min(plan.photographs, plan.rows)
    looks = (plan.photographs + judged + 0.5 * drawn) * measured.look_s + judged * judge_s
    return looks / _threads(plan) + (plan.folds + 1) * coreset + _OVERHEAD_S


def _compare_s(plan: Plan, measured: Measured) -> float:
    total = 0.0
    for candidate in plan.compared:
        look = measured.look_s * _times(candidate, plan)
        looks = _samples(candidate, plan) * (1.0 + choosing.EACH * WINDOW_SHARE) * look
        total += looks / _threads(plan) + choosing.FOLDS * _bank_s(candidate, plan, measured)
    kinds = variants.KINDS.values()
    copies = _samples(plan.candidate, plan) * sum(map(len, kinds)) * measured.look_s
    total += copies / _threads(plan)
    total += len(kinds) * choosing.FOLDS * _bank_s(plan.candidate, plan, measured)
    return total


def _prefer_s(plan: Plan, measured: Measured) -> float:
    """Normal photographs are looked at twice, anomalies once, and a bank is made for each fold."""
    normal = _samples(plan.candidate, plan)
    anomalies = min(plan.anomalies, _samples(plan.candidate, plan))
    total = 0.0
    for candidate in plan.preferred:
        look = measured.look_s * _times(candidate, plan)
        total += (2 * normal + anomalies) * look / _threads(plan)
        cells = normal * measured.cells * _times(candidate, plan)
        products = choosing.FOLDS * cells * plan.rows * _depth(candidate)
        total += products * 1e-9 * measured.giga_s
    return total


def _bank_s(candidate: Candidate, plan: Plan, measured: Measured) -> float:
    """A bank of a fold, and the values of all that it judges."""
    cells = measured.cells * _times(candidate, plan)
    all_cells = _samples(candidate, plan) * cells
    held_out = all_cells / choosing.FOLDS * (1.0 + choosing.EACH * WINDOW_SHARE)
    pool = min(choosing.POOL_CELLS, all_cells)
    products = (pool + held_out) * choosing.BANK_ROWS * _depth(candidate)
    return products * 1e-9 * measured.giga_s


def _fit_mib(plan: Plan, measured: Measured) -> float:
    pool = POOL_TIMES * _pool(plan, measured) * plan.depth * 4.0
    picture = 2.0 * 3.0 * plan.rows * TILE_PX**2
    return _looking_mib(plan, measured, 1.0) + (pool + picture) / MIB


def _compare_mib(plan: Plan, measured: Measured) -> float:
    """The best candidate's samples and folds, and those of its copies, or of a larger candidate."""
    own = _trial_bytes(plan.candidate, plan, measured)
    most = max(_trial_bytes(candidate, plan, measured) for candidate in plan.compared)
    cells = _samples(plan.candidate, plan) * measured.cells
    looks = max(map(len, variants.KINDS.values()))
    pool = choosing.FOLDS * choosing.POOL_CELLS
    copies = (cells * looks + pool) * _depth(plan.candidate) * 4.0
    largest = max(_times(candidate, plan) for candidate in plan.compared)
    return _looking_mib(plan, measured, largest) + (own + max(most, copies)) / MIB


def _trial_bytes(candidate: Candidate, plan: Plan, measured: Measured) -> float:
    cells = _samples(candidate, plan) * measured.cells * _times(candidate, plan)
    folds = choosing.FOLDS * min(choosing.POOL_CELLS, cells)
    return (2.0 * cells + folds) * _depth(candidate) * 4.0


def _looking_mib(plan: Plan, measured: Measured, times: float) -> float:
    tile = plan.candidate.size.tile_px or choosing.MAX_SIDE_PX
    pixels = min(measured.cells * CELL_PX**2 * times, float(tile) ** 2)
    return LIBRARIES_MIB + plan.workers * pixels * NETWORK_BYTES / MIB


def _pool(plan: Plan, measured: Measured) -> float:
    """Patches that the bank is chosen from."""
    return min(plan.pool_numbers / plan.depth, float(plan.photographs * measured.cells))


def _samples(candidate: Candidate, plan: Plan) -> int:
    cells = candidate.size.long_side_px**2 * 0.75 / CELL_PX**2
    most = int(np.clip(choosing.SAMPLE_CELLS / cells, choosing.MIN_SAMPLES, choosing.MAX_SAMPLES))
    return min(most, plan.photographs)


def _times(candidate: Candidate, plan: Plan) -> float:
    """How many times the pixels of the first sensible way to look."""
    return (candidate.size.long_side_px / plan.candidate.size.long_side_px) ** 2


def _depth(candidate: Candidate) -> int:
    return sum(backbones.lite2().channels[level] for level in candidate.features.levels)


def _threads(plan: Plan) -> int:
    return max(1, min(plan.workers, plan.photographs))


def _product() -> Callable[[], object]:
    """A product as a bank's distances are made of."""
    n, d, m = _PRODUCT
    rng = np.random.default_rng(0)
    rows, columns = rng.random((n, d), np.float32), rng.random((d, m), np.float32)
    return lambda: rows @ columns


def _fastest(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """Seconds of the second of two runs, in which nothing is done for the first time."""
    work()
    began = clock()
    work()
    return clock() - began


def _time(seconds: float) -> str:
    """In words that claim no more than is known.

    >>> _time(14.2), _time(80.0), _time(4000.0)
    ('15 s', '2 min', '1.1 h')
    """
    if seconds < 60.0:
        return f"{max(5, round(seconds / 5.0) * 5)} s"
    return f"{-(-seconds // 60):.0f} min" if seconds < 3600.0 else f"{seconds / 3600.0:.1f} h"


def _size(mib: float) -> str:
    """With two digits, in MB or GB.

    >>> _size(21.6), _size(990.0)
    ('23 MB', '1.0 GB')
    """
    mb = mib * MIB / 1e6
    return f"{mb / 1e3:.1f} GB" if mb >= 950.0 else f"{mb:.0f} MB"
