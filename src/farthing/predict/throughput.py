"""How much of an accelerator's peak a training reaches, over all hours that its devices are held.

    mfu = expected_mfu(architecture, device, devices=8)        # low, value, high: p10, p50, p90

A fit of few terms to published trainings (`published_runs`): what is left over is a factor of about
1.4 either way, which nobody's published figures explain. What a workspace has booked on the same
kind of device replaces it, the more the nearer the runs are to what is asked.

    log mfu = intercept + room x log(active parameters / peak FLOP/s of all devices together)
                        + biased x (1 if the layers have biases)
                        + sparse x (1 if a token visits some experts only)

The first says how thinly a model is spread: the thinner, the more it waits for communication and
stands still with one of its devices. Biases are a mark of the design and the software of GPT-3's
time; models of today have none. docs/results/planner.md has the errors of left-out runs, and what
other forms were tried.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import yaml
from pydantic import Field

from farthing.artifacts.config import Config, parse_config
from farthing.cost.architecture import Architecture, Dense, Sparse
from farthing.cost.attention import Grouped
from farthing.cost.parameters import architecture_parameters
from farthing.errors import PlanError
from farthing.hardware.accelerators import Accelerator
from farthing.hardware.catalogue import find_accelerator
from farthing.predict.booked import BookedSpeed
from farthing.predict.nearness import Refined, refined
from farthing.predict.runs import PublishedRun, implied_mfu, training_peak
from farthing.quantity import Quantity, estimated

SHIPPED = Path(__file__).parent / "data" / "throughput.yaml"

TERMS = ("room", "biased", "sparse")

# The share of left-out runs that a range is to hold: p10 to p90.
COVERAGE = 0.8
# Ridge penalties among which the fit chooses, by its own left-out errors.
PENALTIES = (0.3, 1.0, 3.0, 10.0)

# The narrowest of the published models: below it, time at the memory's bandwidth begins to count.
_NARROWEST = 2048
# Bytes that one layer moves for each position and unit of width while it trains, over those of its
# products' FLOPs: 3 passes x 34 bytes (arXiv 2205.05198, section 4.1), over 72 x width FLOPs.
_BYTES_PER_FLOP_AND_WIDTH = 3 * 34 / 72


class Term(Config):
    """One term of the fit, standardised: slope x (value - mean) / spread."""

    mean: float = Field(description="of the runs fitted to")
    spread: float = Field(gt=0, description="standard deviation over them")
    slope: float = Field(description="of log mfu, for one spread")


class ThroughputModel(Config):
    """A fit; `fit` makes it."""

    runs: int = Field(ge=1, description="trainings that it was fitted to")
    penalty: float = Field(gt=0, description="of the ridge, that left-out errors chose")
    intercept: float = Field(description="mean log mfu of the runs")
    terms: dict[str, Term] = Field(description="by name, in the order of `precision`")
    precision: tuple[tuple[float, ...], ...] = Field(
        description="inverse of the penalised products of the standardised terms"
    )
    half_width: float = Field(
        gt=0, description="of p10 to p90 in log mfu, at the middle of the runs"
    )
    most_room: float = Field(description="the highest `room` of the runs")
    most_share: float = Field(gt=0, lt=1, description="the highest mfu of the runs")
    devices_at: tuple[float, float] = Field(
        description="log devices = first + second x log FLOPs of a run, where nobody published it"
    )

    def typical_devices(self, flops: float) -> float:
        """How many devices runs of so many model FLOPs had; for runs that do not say it."""
        first, second = self.devices_at
        return math.exp(first + second * math.log(flops))

    def log_mfu(self, values: Mapping[str, float]) -> tuple[float, float]:
        """Middle and half width (p10 to p90) of log mfu at these values of the terms."""
        # Beyond what any run had or reached, nothing gets faster; it only gets less certain.
        inside = {**values, "room": min(values["room"], self.most_room)}
        middle, z = self.intercept, []
        for name, term in self.terms.items():
            middle += term.slope * (inside[name] - term.mean) / term.spread
            z.append((values[name] - term.mean) / term.spread)
        pull = 1 / self.runs + sum(
            z[i] * self.precision[i][j] * z[j] for i in range(len(z)) for j in range(len(z))
        )
        usual = (1 + len(self.terms)) / self.runs
        half = self.half_width * math.sqrt((1 + pull) / (1 + usual))
        return min(middle, math.log(self.most_share)), half


def expected_mfu(
    architecture: Architecture,
    device: Accelerator,
    devices: int,
    *,
    booked: Sequence[BookedSpeed] = (),
) -> Quantity:
    """The share of the dense bf16 peak (fp16 where there is no bf16) that a training reaches.

    Over all hours that the devices are held: restarts, checkpoints and pauses are in it. The range
    is p10 to p90, unit "1".

    Args:
        architecture: what trains; of an elastic run the whole supernet.
        device: of the catalogue.
        devices: at a time.
        booked: what the workspace has measured (`booked_speeds`); of other devices is left out.

    Raises:
        PlanError: fewer than one device.
        UnknownHardwareError: the catalogue has no such peak, with the way to add it.
    """
    if devices < 1:
        raise PlanError(f"{devices} devices train nothing", remedy="plan for one device or more")
    peak = training_peak(device).value

    def prior(model: Architecture, count: int) -> tuple[float, float]:
        middle, half = shipped_model().log_mfu(values_of(model, peak, count))
        narrow = math.log(_narrowness(model, device, peak)[0])
        return middle + narrow, half - narrow / 2

    on_device = [run for run in booked if run.device_id == device.id]
    found = refined(prior, architecture, devices, peak=peak, booked=on_device)
    value = min(1.0, math.exp(found.middle))
    return estimated(
        value,
        "1",
        _source(device, found, _narrowness(architecture, device, peak)[1]),
        low=min(value, math.exp(found.middle - found.half_width)),
        high=min(1.0, math.exp(found.middle + found.half_width)),
    )


def values_of(architecture: Architecture, peak: float, devices: float) -> dict[str, float]:
    """The terms of one training.

    Args:
        architecture: what trains.
        peak: FLOP/s of one device.
        devices: at a time.
    """
    active = architecture_parameters(architecture).active
    return {
        "room": math.log(active / (peak * devices)),
        "biased": float(any(_biased(architecture))),
        "sparse": float(any(isinstance(g.feed_forward, Sparse) for g in architecture.groups)),
    }


def fit(runs: Sequence[PublishedRun]) -> ThroughputModel:
    """Fit the terms to trainings; nothing outside `runs` has a part in it.

    Ridge regression of log mfu on standardised terms; its penalty is the one of `PENALTIES` with
    the least left-out squared error, and the range holds `COVERAGE` of the left-out errors.

    Raises:
        ValueError: too few runs to fit to.
    """
    import numpy as np

    if len(runs) < 2 * (1 + len(TERMS)):
        raise ValueError(f"{len(runs)} runs are too few for {len(TERMS)} terms")
    first, second = _devices_at(runs)
    rows = [
        values_of(
            run.architecture,
            training_peak(find_accelerator(run.device)).value,
            run.devices or math.exp(first + second * math.log(run.flops)),
        )
        for run in runs
    ]
    # N runs, K terms.
    x_NK = np.array([[row[name] for name in TERMS] for row in rows])
    y_N = np.array([math.log(implied_mfu(run)) for run in runs])
    n = len(runs)
    mean_K = x_NK.mean(0)
    # A term in which the runs do not differ gets no slope.
    spread_K = np.where(x_NK.std(0) > 0, x_NK.std(0), 1.0)
    z_NK, left_N = (x_NK - mean_K) / spread_K, y_N - y_N.mean()
    tried = []
    for penalty in PENALTIES:
        precision_KK = np.linalg.inv(z_NK.T @ z_NK + penalty * np.eye(len(TERMS)))
        slope_K = precision_KK @ z_NK.T @ left_N
        pull_N = 1 / n + np.einsum("nk,kl,nl->n", z_NK, precision_KK, z_NK)
        # What each run's error would be without it (PRESS), exactly, from one fit.
        error_N = (left_N - z_NK @ slope_K) / (1 - pull_N)
        tried.append((float(np.mean(error_N**2)), penalty, precision_KK, slope_K, error_N))
    _, penalty, precision_KK, slope_K, error_N = min(tried, key=lambda one: one[0])
    # The rank that holds the share for one more run of the same kind (split conformal ranges).
    rank = min(n, math.ceil(COVERAGE * (n + 1)))
    return ThroughputModel(
        runs=n,
        penalty=penalty,
        intercept=float(y_N.mean()),
        terms={
            name: Term(mean=float(mean_K[k]), spread=float(spread_K[k]), slope=float(slope_K[k]))
            for k, name in enumerate(TERMS)
        },
        precision=tuple(tuple(map(float, row)) for row in precision_KK),
        half_width=float(np.sort(np.abs(error_N))[rank - 1]),
        most_room=float(x_NK[:, TERMS.index("room")].max()),
        most_share=float(np.exp(y_N.max())),
        devices_at=(first, second),
    )


@cache
def shipped_model() -> ThroughputModel:
    """The fit to all published runs, as `scripts/refresh_planner.py` wrote it down."""
    data = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    return parse_config(ThroughputModel, data, where=SHIPPED.name)


def _devices_at(runs: Sequence[PublishedRun]) -> tuple[float, float]:
    """A straight line through log devices over log FLOPs, of the runs that say how many."""
    known = [run for run in runs if run.devices]
    line = statistics.linear_regression(
        [math.log(run.flops) for run in known], [math.log(run.devices or 1) for run in known]
    )
    return line.intercept, line.slope


def _biased(architecture: Architecture) -> list[bool]:
    return [
        (isinstance(group.attention, Grouped) and group.attention.biases == "all")
        or (isinstance(group.feed_forward, Dense) and group.feed_forward.biases)
        for group in architecture.groups
    ]


def _narrowness(
    architecture: Architecture, device: Accelerator, peak: float
) -> tuple[float, str | None]:
    """What a model narrower than every published one keeps of its share, and words for it."""
    if architecture.width >= _NARROWEST:
        return 1.0, None
    bandwidth = device.memory_bytes_per_second
    if bandwidth is None:
        return 1.0, (
            f"width {architecture.width} is below every published one; what that costs is unknown "
            f"without a memory bandwidth of {device.id}"
        )
    moved = _BYTES_PER_FLOP_AND_WIDTH * peak / bandwidth.value
    share = (1 + moved / _NARROWEST) / (1 + moved / architecture.width)
    return share, (
        f"x {share:.2f} assumed for width {architecture.width}, below every published one"
    )


def _source(device: Accelerator, found: Refined, words: str | None) -> str:
    if found.exact:
        return f"{found.runs} booked {_runs(found.runs)} of this model on {device.id}"
    parts = [f"fitted to {shipped_model().runs} published trainings"]
    if found.runs:
        parts.append(f"moved by {found.runs} booked {_runs(found.runs)} on {device.id}")
    return ", ".join([*parts, words] if words else parts)


def _runs(count: int) -> str:
    return "run" if count == 1 else "runs"
