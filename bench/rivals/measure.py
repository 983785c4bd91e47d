"""What every benchmark against a rival shares: one thread, figures with a spread, JSON, tables.

A benchmark writes one JSON file; `scripts/refresh_speed.py` makes the page from those files:

    {"bench": NAME, "title": ..., "setting": [LINE, ...], "command": ..., "seeds": [...],
     "machine": {...}, "versions": {...}, "load_average": ..., "seconds": ...,
     "tables": [{"title": ..., "columns": [...], "rows": [[CELL, ...], ...]}, ...],
     "targets": [{"what": ..., "relation": ">=", "wanted": ..., "measured": FIGURE, "met": ...}],
     "notes": [LINE, ...]}

A CELL is text, or a FIGURE: {"mean": ..., "spread": ..., "values": [...]}, where the spread is the
sample standard deviation over the seeds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

# The exit code of a benchmark that cannot run here, as automake has it.
SKIPPED = 77
SEEDS = (0, 1, 2)
ROOT = Path(__file__).resolve().parents[2]

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def pin(cpu: int | None = None) -> int:
    """Keep this process and its children to one thread on one processor; return its number."""
    for name in _THREAD_VARIABLES:
        os.environ[name] = "1"
    if not hasattr(os, "sched_setaffinity"):
        return -1
    chosen = max(os.sched_getaffinity(0)) if cpu is None else cpu
    os.sched_setaffinity(0, {chosen})
    return chosen


def skip(why: str, remedy: str) -> NoReturn:
    """End this benchmark: it cannot run here, and this is what would help."""
    name = Path(sys.argv[0]).name
    print(f"SKIPPED {name}: {why}\n  to run it: {remedy}", file=sys.stderr)
    sys.exit(SKIPPED)


@dataclass(frozen=True)
class Figure:
    """One value per seed."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Figure:
        """From any values."""
        return cls(tuple(values))

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.fmean(self.values)

    @property
    def spread(self) -> float:
        """Sample standard deviation over the seeds; 0 with a single one."""
        if not all(map(math.isfinite, self.values)):
            # A run that diverged: `stdev` would raise, and no target may count as met.
            return math.nan
        return statistics.stdev(self.values) if len(self.values) > 1 else 0.0

    def over(self, other: Figure) -> Figure:
        """The ratio, seed by seed."""
        return Figure.of(a / b for a, b in zip(self.values, other.values, strict=True))

    def inverse(self, scale: float = 1.0) -> Figure:
        """`scale` over each value."""
        return Figure.of(scale / value for value in self.values)

    def as_json(self) -> dict[str, Any]:
        """Mean, spread and the values themselves."""
        return {"mean": self.mean, "spread": self.spread, "values": list(self.values)}


Cell = str | Figure


@dataclass
class Outcome:
    """What one benchmark found, on its way to the screen and to its JSON file."""

    bench: str
    title: str
    seeds: Sequence[int]
    setting: list[str]
    tables: list[dict[str, Any]] = field(default_factory=list)
    targets: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)
    _load: str = field(default_factory=lambda: _load_average())

    def table(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Add a table."""
        cells = [[c.as_json() if isinstance(c, Figure) else c for c in row] for row in rows]
        self.tables.append({"title": title, "columns": list(columns), "rows": cells})

    def target(
        self, what: str, relation: str, wanted: float, measured: Figure, *, holds: bool = True
    ) -> None:
        """Add a target; `holds` says whether what else it asks for is true."""
        reached = measured.mean >= wanted if relation == ">=" else measured.mean <= wanted
        self.targets.append(
            {
                "what": what,
                "relation": relation,
                "wanted": wanted,
                "measured": measured.as_json(),
                "met": reached and holds,
            }
        )

    def close(self, json_file: Path | None) -> None:
        """Print everything; write the JSON if asked to."""
        data = {
            "bench": self.bench,
            "title": self.title,
            "setting": self.setting,
            "command": shlex.join(["python", *_relative(sys.argv)]),
            "seeds": list(self.seeds),
            "machine": machine(),
            "versions": {**versions(), **self.versions},
            "load_average": self._load,
            "seconds": round(time.monotonic() - self._began, 1),
            "tables": self.tables,
            "targets": self.targets,
            "notes": self.notes,
        }
        print_outcome(data)
        if json_file:
            json_file.parent.mkdir(parents=True, exist_ok=True)
            json_file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
            print(f"written: {json_file}")


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Options that every benchmark has."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, help="also write what was found to this file")
    parser.add_argument("--cpu", type=int, help="the processor to stay on (default: the last)")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    return parser


def versions() -> dict[str, str]:
    """Of what both sides run on."""
    found = {"python": platform.python_version()}
    for name in ("farthing", "torch", "numpy", "transformers"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    found["farthing"] += f" (code {_code_digest()[:8]})"
    return found


def machine() -> dict[str, Any]:
    """The processor; the number of threads used is one throughout."""
    import torch

    from farthing.hardware.machine import detect_machine

    return {
        "processor": detect_machine().name,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "hardware_threads": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def show(cell: Any) -> str:  # noqa: ANN401
    """A cell as text: a figure with its spread."""
    if isinstance(cell, str):
        return cell
    mean, spread = cell["mean"], cell["spread"]
    digits = 0 if abs(mean) >= 1000 else 1 if abs(mean) >= 100 else 2 if abs(mean) >= 10 else 3
    return f"{mean:,.{digits}f} ± {spread:,.{digits}f}"


def print_outcome(data: dict[str, Any]) -> None:
    """A benchmark's JSON for people."""
    print(f"\n{data['title']}")
    for line in data["setting"]:
        print(f"  {line}")
    named = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    print(f"  {named}; {data['machine']['processor']}, {data['machine']['instructions']}")
    print(f"  seeds {data['seeds']}, {data['command']}")
    for table in data["tables"]:
        print(f"\n{table['title']}")
        lines = [table["columns"], *[[show(cell) for cell in row] for row in table["rows"]]]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        for line in lines:
            first, *others = (text for text in line)
            padded = [first.ljust(widths[0])]
            padded += [text.rjust(width) for text, width in zip(others, widths[1:], strict=True)]
            print("  " + "  ".join(padded))
    print()
    for target in data["targets"]:
        verdict = "met" if target["met"] else "NOT MET"
        print(
            f"  target: {target['what']}: {show(target['measured'])} "
            f"(wanted {target['relation']} {target['wanted']:.3g}): {verdict}"
        )
    for note in data["notes"]:
        print(f"  note: {note}")


def _relative(argv: Sequence[str]) -> list[str]:
    """The command line without this machine's folders."""
    script = Path(argv[0]).resolve()
    inside = script.relative_to(ROOT) if script.is_relative_to(ROOT) else Path(script.name)
    named = [
        Path(word).name if os.sep in word and Path(word).is_absolute() else word
        for word in argv[1:]
    ]
    return [str(inside), *named]


def _code_digest() -> str:
    """SHA-256 over every source file of farthing: figures belong to code, not to a version."""
    import farthing

    digest = hashlib.sha256()
    package = Path(farthing.__file__).parent
    for path in sorted(package.rglob("*")):
        if path.suffix in {".py", ".c", ".h"}:
            digest.update(path.relative_to(package).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _load_average() -> str:
    try:
        return " ".join(f"{value:.2f}" for value in os.getloadavg())
    except OSError:
        return "unknown"
