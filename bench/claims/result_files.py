"""What a benchmark of claims found, as a file: `docs/results/claims/NAME.json`.

{"title": ..., "command": ..., "environment": {...}, "rows": [{"what", "value", "unit"}, ...],
 "target": {"wanted": ..., "measured": ..., "met": true}}
"""

from __future__ import annotations

import json
import platform
import shlex
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from farthing import __version__
from farthing.bench.clock import Neighbours
from farthing.hardware.machine import detect_machine

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results" / "claims"


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        what: was measured, or derived from what was measured.
        value: of it; words where it is no number.
        unit: of the value, empty for words.
    """

    what: str
    value: float | int | str
    unit: str


@dataclass(frozen=True)
class Target:
    """What was wanted, in words, and what came out."""

    wanted: str
    measured: str
    met: bool


def write_result(
    path: Path, title: str, rows: list[Row], target: Target | None, neighbours: Neighbours
) -> None:
    """Write a result, and print it.

    Args:
        path: of the file; its folder is made.
        title: what the figures are about.
        rows: all figures.
        target: that they are held against, or None.
        neighbours: made when the measurement began.
    """
    found = {
        "title": title,
        "command": shlex.join(["python", f"bench/claims/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "environment": environment(neighbours),
        "rows": [asdict(row) for row in rows],
        "target": asdict(target) if target else None,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(title)
    for row in rows:
        shown = f"{row.value:.5g}" if isinstance(row.value, float) else row.value
        print(f"  {row.what}: {shown} {row.unit}".rstrip())
    if target:
        print(f"  wanted {target.wanted}; measured {target.measured}; met: {target.met}")
    print(f"written: {path}", flush=True)


def environment(neighbours: Neighbours) -> dict[str, str]:
    """Where and with what: words by name."""
    machine = detect_machine()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "farthing": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": machine.processor.name,
        "threads": f"{torch.get_num_threads()} for torch, "
        f"{machine.processor.threads} hardware threads for the process",
        "neighbours": f"other processes kept {neighbours.busy_threads():.1f} hardware threads busy",
    }
