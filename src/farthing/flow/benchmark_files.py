"""Which files of a folder of benchmarks are read, and which are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farthing.stages.evaluate.definition import BenchmarkDefinition
from farthing.stages.evaluate.questions import SUFFIXES


@dataclass(frozen=True)
class BenchmarkFiles:
    """What becomes of the data files of a folder.

    Attributes:
        read: each benchmark that has a file, with it.
        beside: files of a benchmark of which another file is read, with its name.
        unknown: files that no definition names.
    """

    read: tuple[tuple[BenchmarkDefinition, Path], ...]
    beside: tuple[tuple[str, Path], ...]
    unknown: tuple[Path, ...]

    def lines(self) -> list[str]:
        """For people: the files that are read, by set, and those that are not, with the remedy."""
        told = [f"{definition.name}: {path.name}" for definition, path in self.read]
        told += [f"{path.name}: not read, {name} has another file" for name, path in self.beside]
        told += [
            f"{path.name}: not read, there is no definition of "
            f"{path.name.partition('.jsonl')[0]!r}; put one beside it, or its questions into "
            "corpus.contamination.items"
            for path in self.unknown
        ]
        return told


def benchmark_files(folder: Path, known: Mapping[str, BenchmarkDefinition]) -> BenchmarkFiles:
    """Sort the data files of `folder`: of each benchmark in `known` the first that it names."""
    read, beside, named = [], [], set()
    for name, definition in known.items():
        wanted = [folder / f"{stem}{suffix}" for stem in definition.stems for suffix in SUFFIXES]
        there = [path for path in wanted if path.is_file()]
        named.update(there)
        read += [(definition, path) for path in there[:1]]
        beside += [(name, path) for path in there[1:]]
    unknown = sorted(
        path
        for path in folder.iterdir()
        if path.name.endswith(SUFFIXES) and path.is_file() and path not in named
    )
    return BenchmarkFiles(tuple(read), tuple(beside), tuple(unknown))
