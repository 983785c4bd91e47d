"""How long training takes on a processor: seconds of a step and of a whole quick start.

    local_step_seconds(model, 4096, flops, UNKNOWN, vocab_size=4096)  # as on the reference machine
    probe = probe_of(timed, threads=2)                  # steps that were really run here
    probe = booked_probe(speeds, cpu="...")             # or runs that the book has
    forecast_quickstart(work, probe)["everything"]

What a step of a small model costs is hardly its products: most of it is norms, attention, routing
and memory, which grow with layers and tokens. So it is a sum of both, fitted on farthing's own
studies on one thread of one machine (`COSTS`), and another machine has a *pace*: how many seconds
of wall time it takes for what took one second there. A few seconds of real steps show it; so does
a booked run. Accelerators are not described by this (`throughput`).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from farthing.cost.architecture import Architecture, Sparse, architecture_of
from farthing.cost.flops import TRAINING_PASSES, flops_per_token
from farthing.cost.training import training_flops_of
from farthing.errors import PlanError
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape
from farthing.predict.booked import BookedSpeed
from farthing.quantity import Quantity, estimated

REFERENCE: Final = "one thread of the machine of docs/results/elastic.md"

# Seconds on one thread of the reference machine for every token of a step, each as often as
# `cost_features` says: bench/planner_law/step_times.py fits them on docs/results/elastic.
COSTS: Final[Mapping[str, float]] = {
    "vocabulary": 9.74e-6,
    "dense layer": 3.09e-6,
    "sparse layer": 2.81e-6,
    "visited": 0.433e-6,
    "held": 0.141e-6,
    "flops": 2.51e-12,
}
# Of those runs: output rows that a token is compared with, and the widest stream, beyond which
# what is no product is taken to grow with the width.
_ROWS, _WIDEST = 4096, 112


@dataclass(frozen=True, kw_only=True)
class Probe:
    """How fast a machine is at work like a small model's.

    Attributes:
        pace: seconds of wall time, on the threads that training takes, for what takes one second
            on one thread of the reference machine.
        low, high: p10 and p90 of the pace.
        threads: of the computation.
        source: words that name what was measured.
    """

    pace: float
    low: float
    high: float
    threads: int
    source: str


@dataclass(frozen=True, kw_only=True)
class TimedStep:
    """A training step that was really run.

    Attributes:
        architecture: of the whole supernet.
        tokens: of the step.
        flops: model FLOPs of the step, which may have trained a smaller shape.
        seconds: of wall time.
    """

    architecture: Architecture
    tokens: int
    flops: float
    seconds: float

    @property
    def pace(self) -> float:
        """Seconds here for one on one thread of the reference machine."""
        return self.seconds / reference_seconds(self.architecture, self.tokens, self.flops)


# The reference has units for products in bf16; a processor without them was seen to take four times
# as long, and several threads share what one does. Nothing but a probe says which holds.
UNKNOWN: Final = Probe(
    pace=2.0,
    low=0.6,
    high=6.0,
    threads=1,
    source=f"nothing measured on this machine; {REFERENCE} stands for it",
)

# What other work of the same kind differs by, and what one or two timings leave open.
_LEAST_RANGE, _FEW_RANGE, _ENOUGH = 1.15, 1.4, 3


def cost_features(architecture: Architecture, flops_per_token: float) -> dict[str, float]:
    """How often each of `COSTS` is paid for one token of a training step.

    Args:
        architecture: of the whole supernet.
        flops_per_token: training FLOPs of a mean step; where it trains smaller shapes, layers
            count for as much as they compute of the full shape's.
    """
    output = TRAINING_PASSES * 2 * architecture.width * architecture.vocabulary
    full = training_flops_of(architecture, tokens=1.0)
    share = max(0.0, flops_per_token - output) / max(1.0, full - output)
    wider = share * max(1.0, architecture.width / _WIDEST)
    sparse = [g for g in architecture.groups if isinstance(g.feed_forward, Sparse)]
    blocks = [(group.count, group.feed_forward) for group in sparse]
    layers = sum(count for count, _ in blocks)
    return {
        "vocabulary": architecture.vocabulary / _ROWS,
        "dense layer": wider * (architecture.layers - layers),
        "sparse layer": wider * layers,
        "visited": wider * sum(n * b.top_k for n, b in blocks if isinstance(b, Sparse)),
        "held": wider * sum(n * b.experts for n, b in blocks if isinstance(b, Sparse)),
        "flops": flops_per_token,
    }


def reference_seconds(architecture: Architecture, tokens: float, flops: float) -> float:
    """Seconds of training steps on one thread of the reference machine.

    Args:
        architecture: of the whole supernet.
        tokens: of the steps.
        flops: of the steps, the optimizer's products left out.
    """
    features = cost_features(architecture, flops / tokens)
    return tokens * sum(COSTS[name] * amount for name, amount in features.items())


def probe_of(timed: Sequence[TimedStep], *, threads: int) -> Probe:
    """The pace of a machine on which some steps were timed.

    Raises:
        PlanError: none.
    """
    if not timed:
        raise PlanError(
            "no timed step says nothing about a machine", remedy="time three steps or more"
        )
    paces = [step.pace for step in timed]
    what = f"{len(timed)} training steps timed on this machine, {threads} threads"
    return _probe(paces, threads, what)


def booked_probe(speeds: Sequence[BookedSpeed], *, cpu: str) -> Probe | None:
    """The pace of a processor on which the book has runs; None where it has none.

    Args:
        speeds: of the workspace.
        cpu: the processor's name, as the book has it.
    """
    here = [speed for speed in speeds if speed.cpu == cpu]
    if not here:
        return None
    paces = [speed.seconds / _booked_reference(speed) for speed in here]
    return _probe(paces, here[-1].threads, f"{len(paces)} booked runs on {cpu}")


def local_step_seconds(
    config: ModelConfig,
    batch_tokens: int,
    flops_per_step: float,
    probe: Probe,
    *,
    vocab_size: int,
) -> Quantity:
    """Seconds of wall time of a mean training step on a processor.

    Args:
        config: the supernet.
        batch_tokens: of a step.
        flops_per_step: training FLOPs of a mean step, smaller shapes included.
        probe: of the machine.
        vocab_size: rows of the output matrix.
    """
    architecture = architecture_of(config, vocab_size, Shape.full(config))
    return _paced(reference_seconds(architecture, batch_tokens, flops_per_step), probe)


@dataclass(frozen=True, kw_only=True)
class QuickstartWork:
    """What a quick start does, counted beforehand.

    Attributes:
        model: the supernet.
        vocab_size: rows of the output matrix.
        steps: of training.
        batch_tokens: of one step.
        flops_per_step: training FLOPs of a mean step.
        text_bytes: of the documents that are curated; 0 where the corpus is there.
        members: shapes that are scored.
        scored_tokens: of held-out text and of questions, for each member.
        extracted: members that are cut out.
    """

    model: ModelConfig
    vocab_size: int
    steps: int
    batch_tokens: int
    flops_per_step: float
    text_bytes: int
    members: tuple[Shape, ...]
    scored_tokens: int
    extracted: int


# Of the same machine's quick start (docs/results/quickstart.md), in seconds of the reference: a
# forward pass over held-out text and questions, in training steps of as many tokens of that shape;
# what every training, curation and extraction takes besides; bytes that curation reads a second.
_FORWARD = 0.45
_TRAINING_SECONDS, _EXTRACTION_SECONDS = 4.0, 0.3
_CURATED_BYTES, _CURATION_SECONDS = 4.0e6, 6.0
# No run does these: timing steps, report, samples, bill.
_OTHER_SECONDS = 8.0


def forecast_quickstart(work: QuickstartWork, probe: Probe) -> dict[str, Quantity]:
    """Seconds of wall time of each purpose of a quick start's runs, and of all of it.

    Args:
        work: what there is to do.
        probe: of the machine.

    Returns:
        `curation`, `training`, `evaluation`, `extraction` as the book's runs have them, and
        `everything`, which holds what no run does too: starting up, the report, samples.
    """
    full = architecture_of(work.model, work.vocab_size, Shape.full(work.model))
    tokens = work.steps * work.batch_tokens
    training = reference_seconds(full, tokens, work.steps * work.flops_per_step)
    evaluation = sum(
        _FORWARD * _shape_seconds(full, work, shape, work.scored_tokens) for shape in work.members
    )
    curation = work.text_bytes / _CURATED_BYTES + _CURATION_SECONDS if work.text_bytes else 0.0
    found = {
        "curation": _paced(curation, probe, serial=True),
        "training": _paced(training, probe) + _paced(_TRAINING_SECONDS, probe, serial=True),
        "evaluation": _paced(evaluation, probe),
        "extraction": _paced(work.extracted * _EXTRACTION_SECONDS, probe, serial=True),
    }
    everything = _paced(_OTHER_SECONDS, probe, serial=True)
    for each in found.values():
        everything = everything + each
    return {**found, "everything": everything}


def _shape_seconds(full: Architecture, work: QuickstartWork, shape: Shape, tokens: int) -> float:
    """Of training steps of one shape over `tokens`."""
    flops = TRAINING_PASSES * flops_per_token(work.model, work.vocab_size, shape)
    return reference_seconds(full, tokens, tokens * flops)


def _booked_reference(speed: BookedSpeed) -> float:
    # Smaller shapes cost about as much for each FLOP: so as if every step had been full.
    full = training_flops_of(speed.architecture, tokens=1.0)
    return reference_seconds(speed.architecture, speed.flops / full, speed.flops)


def _probe(paces: Sequence[float], threads: int, what: str) -> Probe:
    middle = statistics.median(paces)
    deciles = statistics.quantiles(paces, n=10, method="inclusive") if len(paces) > 1 else [middle]
    least = _LEAST_RANGE if len(paces) >= _ENOUGH else _FEW_RANGE
    return Probe(
        pace=middle,
        low=min(deciles[0], middle / least),
        high=max(deciles[-1], middle * least),
        threads=threads,
        source=f"{what}: {middle:.2f} times the seconds of {REFERENCE}",
    )


def _paced(seconds: float, probe: Probe, *, serial: bool = False) -> Quantity:
    """Seconds of the reference on this machine.

    Args:
        seconds: on one thread of the reference machine.
        probe: of this one.
        serial: whether it is Python's work, on one thread and without products. Machines differ
            less in that, and threads gain nothing: the root of the pace stands for it, after what
            threads gain is taken out (1.4 for two of one core on the reference machine: the root
            of their number). On a processor with a pace of 3.9 such parts took 1.7 to 2 times
            those of the reference.
    """

    def paced(pace: float) -> float:
        return seconds * (math.sqrt(pace * math.sqrt(probe.threads)) if serial else pace)

    return estimated(
        paced(probe.pace),
        "s",
        f"farthing's own runs (docs/results/elastic.md); {probe.source}",
        low=paced(probe.low),
        high=paced(probe.high),
    )
