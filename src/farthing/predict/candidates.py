"""All ways to run a step on so many devices that fit, the fastest first.

A candidate that is half as slow again as the best one of its precision so far is not looked at
further: nobody would run it, and most are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf, log

from farthing.cost.communication import Layout
from farthing.predict.degrees import layouts_of
from farthing.predict.kept import Recompute
from farthing.predict.links import Links
from farthing.predict.memory import (
    Load,
    Optimizer,
    RankMemory,
    Settings,
    loads_of,
    memory_of,
    state_bytes,
)
from farthing.predict.split import Split
from farthing.predict.step_time import StepClock, StepSeconds

_MOST_TOKENS = 65_536
_RECOMPUTE: tuple[Recompute, ...] = ("none", "selective", "full")
_SHARDINGS = ("none", "states", "weights")
# Times this near to each other are the same to a model as rough as this one.
_SAME_SPEED = 0.01
_HOPELESS = 1.5


@dataclass(frozen=True)
class Candidate:
    """A way to run a step that fits.

    Attributes:
        layout: how the model is spread.
        settings: how it runs.
        memory: of the rank that needs most.
        seconds: of one step.
        total: their sum.
    """

    layout: Layout
    settings: Settings
    memory: RankMemory
    seconds: StepSeconds
    total: float

    @property
    def kind(self) -> tuple[Layout, bool]:
        """What a user would call another layout: micro-batches and recomputation are settings."""
        return self.layout, self.settings.fp8


@dataclass(frozen=True)
class Space:
    """What all candidates share.

    Attributes:
        split: the architecture's layers.
        clock: that times them.
        links: between ranks.
        memory_bytes: of a device.
        devices: how many.
        sequences: of one step.
        length: positions of a sequence.
        optimizer: of hidden matrices.
        fp8: whether FP8 may be chosen.
    """

    split: Split
    clock: StepClock
    links: Links
    memory_bytes: int
    devices: int
    sequences: int
    length: int
    optimizer: Optimizer
    fp8: bool

    def fitting(self, kinds: int) -> list[Candidate]:
        """The fastest first; with offload only where nothing fits without.

        Args:
            kinds: how many different layouts are wanted: where fewer are near the best, the slow
                ones are looked at too.
        """
        for offload in (False, True):
            for hopeless in (_HOPELESS, inf):
                found = list(self._fitting(offload, hopeless))
                if not found or len({one.kind for one in found}) >= kinds:
                    break
            if found:
                return _ranked(found)
        return []

    def least(self, devices: int, sequences: int, length: int) -> tuple[int, bool]:
        """Bytes of the layout that needs least, and whether it offloads; 0 where there is none."""
        found = [
            (need.total, offload)
            for layout in self._layouts(devices, sequences, length)
            for loads in [loads_of(self.split, layout, self.optimizer)]
            for offload in (False, True)
            for settings in [Settings(1, length, "full", False, offload, self.optimizer)]
            for need in [memory_of(self.split, layout, loads, settings)]
            if need.host <= self._host_share
        ]
        return min(found, default=(0, False))

    @property
    def _host_share(self) -> float:
        """Bytes of its machine's memory that a device may have."""
        return self.links.host_bytes.value / self.links.devices_per_node

    def _fits(self, need: RankMemory) -> bool:
        return need.total <= self.memory_bytes and need.host <= self._host_share

    def _layouts(self, devices: int, sequences: int, length: int) -> Iterator[Layout]:
        return layouts_of(
            self.split.architecture,
            devices,
            per_node=self.links.devices_per_node,
            sequences=sequences,
            length=length,
        )

    def _fitting(self, offload: bool, hopeless: float) -> Iterator[Candidate]:
        fastest = {False: inf, True: inf}
        for layout in self._layouts(self.devices, self.sequences, self.length):
            if offload and layout.sharding == "none" and layout.data * layout.context > 1:
                continue
            for one in self._of_layout(layout, offload, fastest, hopeless):
                fastest[one.settings.fp8] = min(fastest[one.settings.fp8], one.total)
                yield one

    def _settings(self, layout: Layout, offload: bool) -> Iterator[Settings]:
        """Micro-batches, virtual stages and FP8; recomputation is chosen by what fits."""
        most = min(self.sequences / layout.data, _MOST_TOKENS * layout.context / self.length)
        deepest = max(self.split.counts(layout.pipeline))
        precisions = (False, True) if self.fp8 and self.clock.fp8_gain > 1 else (False,)
        micro = 1
        while micro <= max(1, most):
            batches = -(-self.sequences // (layout.data * micro))
            # Interleaving needs a round of micro-batches for all stages.
            interleaved = layout.pipeline > 1 and batches >= layout.pipeline
            for virtual in sorted({1, min(2, deepest), deepest}) if interleaved else (1,):
                for fp8 in precisions:
                    yield Settings(
                        micro_sequences=micro,
                        length=self.length,
                        recompute="none",
                        fp8=fp8,
                        offload=offload,
                        optimizer=self.optimizer,
                        virtual_stages=virtual,
                        micro_batches=batches,
                    )
            micro *= 2

    def _of_layout(
        self, layout: Layout, offload: bool, fastest: dict[bool, float], hopeless: float
    ) -> Iterator[Candidate]:
        loads = loads_of(self.split, layout, self.optimizer)
        lowest = Settings(1, self.length, "full", False, offload, self.optimizer, 1, 1)
        if not self._fits(memory_of(self.split, layout, loads, lowest)):
            return
        traffic = self.clock.traffic(layout)
        on_host = max(load.states for load in loads)
        updated = on_host / state_bytes(self.optimizer)

        def timed(settings: Settings) -> StepSeconds:
            return self.clock.seconds(layout, settings, traffic=traffic, host_weights=updated)

        for settings in self._settings(layout, offload):
            # Recomputation only adds to this.
            if timed(settings).total > hopeless * fastest[settings.fp8]:
                continue
            fits = self._least_recomputed(layout, loads, settings)
            if fits is not None:
                chosen, memory = fits
                seconds = timed(chosen)
                yield Candidate(layout, chosen, memory, seconds, seconds.total)

    def _least_recomputed(
        self, layout: Layout, loads: Sequence[Load], settings: Settings
    ) -> tuple[Settings, RankMemory] | None:
        """With the least recomputation that fits: less is always faster."""
        for recompute in _RECOMPUTE:
            chosen = replace(settings, recompute=recompute)
            memory = memory_of(self.split, layout, loads, chosen)
            if self._fits(memory):
                return chosen, memory
        return None


def _ranked(found: list[Candidate]) -> list[Candidate]:
    """The fastest first; of those within a hundredth of each other the simplest, then smallest."""
    fastest = min(one.total for one in found)

    def order(one: Candidate) -> tuple[object, ...]:
        slower = int(log(one.total / fastest) / log(1 + _SAME_SPEED))
        return slower, _complexity(one), one.memory.total

    return sorted(found, key=order)


def _complexity(one: Candidate) -> tuple[int, ...]:
    """How many kinds of ranks there are beside replicas, and what else a layout has to do."""
    layout, settings = one.layout, one.settings
    degrees = (layout.pipeline, layout.tensor, layout.context, layout.expert)
    return (
        sum(degree > 1 for degree in degrees),
        int(settings.fp8),
        _SHARDINGS.index(layout.sharding),
        _RECOMPUTE.index(settings.recompute),
        settings.virtual_stages,
    )
