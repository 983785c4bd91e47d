"""What becomes of each document: the first step that drops it decides, and is remembered."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from farthing.artifacts.funnel import KEPT, Fate

# In the order in which a document meets them.
STEPS = (
    *("read", "licence", "language", "mask", "rules", "exact", "near", "contamination"),
    *("quality", "lines", "split"),
)


class Decisions:
    """The fates of all documents, by ordinal."""

    def __init__(self, protected: npt.NDArray[np.bool_]) -> None:
        """Everything is in.

        Args:
            protected: bool (documents): those that no step drops, since their side of the split
                was given; what a step would have done to them is counted.
        """
        self.codes: npt.NDArray[np.int32] = np.full(len(protected), KEPT, dtype=np.int32)
        self.names: list[Fate] = []
        self._codes: dict[Fate, int] = {}
        self.flagged: Counter[str] = Counter()
        self.cpu_seconds: dict[str, float] = {}
        self._protected = protected

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Those that are still in."""
        kept: npt.NDArray[np.bool_] = self.codes == KEPT
        return kept

    def drop(self, step: str, reason: str, which: npt.NDArray[np.bool_]) -> None:
        """Drop `which` of those that are still in, bool (documents)."""
        self.drop_by(step, [reason], np.where(which, 0, -1))

    def drop_by(self, step: str, reasons: Sequence[str], of: npt.NDArray[np.integer]) -> None:
        """Drop documents for different reasons.

        Args:
            step: one of `STEPS`.
            reasons: their names.
            of: int (documents), into `reasons`; -1 where there is none.
        """
        assert step in STEPS
        chosen = self.kept & (of >= 0)
        for reason, count in _tally(reasons, of[chosen & self._protected]):
            self.flagged[f"{step}: {reason}"] += count
        codes = np.array([self._code(Fate(step, reason)) for reason in reasons], dtype=np.int32)
        chosen &= ~self._protected
        self.codes[chosen] = codes[of[chosen]]

    def by_reason(self) -> dict[str, int]:
        """Documents dropped, by reason."""
        counts = np.bincount(self.codes, minlength=len(self.names) + 1)[KEPT + 1 :]
        found: Counter[str] = Counter()
        for fate, count in zip(self.names, counts, strict=True):
            found[fate.reason] += int(count)
        return {reason: count for reason, count in sorted(found.items()) if count}

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Charge the CPU time of this process to `step`."""
        begun = time.process_time()
        try:
            yield
        finally:
            spent = time.process_time() - begun
            self.cpu_seconds[step] = self.cpu_seconds.get(step, 0.0) + spent

    def _code(self, fate: Fate) -> int:
        if fate not in self._codes:
            self.names.append(fate)
            self._codes[fate] = len(self.names)
        return self._codes[fate]


def added(first: Mapping[str, float], second: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds by step, of both."""
    return {step: first.get(step, 0.0) + second.get(step, 0.0) for step in {**first, **second}}


def _tally(reasons: Sequence[str], of: npt.NDArray[np.integer]) -> list[tuple[str, int]]:
    counts = np.bincount(of, minlength=len(reasons))
    return [(name, int(count)) for name, count in zip(reasons, counts, strict=True) if count]
