"""What the races of curation share: the same documents, turn and turn about, in CPU-seconds.

Each side works on the same texts in this process on one thread. Sides alternate, so that whatever
else the machine does hits all alike; what compiles or loads at the first call is done before.
Figures are megabytes of UTF-8 (10^6 bytes) for each CPU-second of the process, one value a round.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "rivals"))
measure = importlib.import_module("measure")
Figure, Outcome = measure.Figure, measure.Outcome

# Long enough for the clock of the process, which counts in hundredths on some systems.
_SHORTEST_SECONDS = 0.3


@dataclass(frozen=True)
class Side:
    """One program's way to do the work.

    Attributes:
        name: in the tables.
        work: does all of it once.
        warm: does as much as loads and compiles everything.
    """

    name: str
    work: Callable[[], object]
    warm: Callable[[], object]


def one_thread() -> int:
    """Keep this process to one thread, libraries with threads of their own included."""
    for name in ("RAYON_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    pinned: int = measure.pin()
    return pinned


def options(description: str | None, megabytes: float = 1.0) -> argparse.ArgumentParser:
    """What every race can be asked for, and how much text it takes unless it is asked."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--text", nargs="+", type=Path, help="files or folders; the embedded sample if left out"
    )
    parser.add_argument("--megabytes", type=float, default=megabytes, help="of text, drawn by id")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write what was found to this file")
    return parser


def race(sides: Sequence[Side], megabytes: float, rounds: int) -> dict[str, Figure]:
    """MB for each CPU-second, by side.

    Args:
        sides: in the order in which they take their turns.
        megabytes: of text that each works on.
        rounds: values of each figure.
    """
    repeats = {}
    for side in sides:
        side.warm()
        seconds = _seconds(side.work, 1)
        repeats[side.name] = max(1, round(_SHORTEST_SECONDS / max(seconds, 1e-9)))
    values: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            count = repeats[side.name]
            seconds = _seconds(side.work, count) / count
            values[side.name].append(megabytes / seconds)
    return {name: Figure.of(each) for name, each in values.items()}


def together(parts: Sequence[Figure]) -> Figure:
    """The rate of all parts one after another, round by round."""
    rounds = zip(*(part.values for part in parts), strict=True)
    return Figure.of(1 / sum(1 / rate for rate in each) for each in rounds)


def version_of(*packages: str) -> dict[str, str]:
    """Versions of what takes part; what is not installed is left out."""
    found = {}
    for name in packages:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def need(package: str) -> None:
    """End this race where a rival is not installed, and say how it could be."""
    if not is_there(package):
        measure.skip(
            f"{package} is not installed", "pip install -r bench/curation/requirements.txt"
        )


def is_there(package: str) -> bool:
    """Whether a rival that a race can do without is installed."""
    return importlib.util.find_spec(package) is not None


def _seconds(work: Callable[[], object], count: int) -> float:
    began = time.process_time()
    for _ in range(count):
        work()
    return time.process_time() - began
