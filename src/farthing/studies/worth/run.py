"""The whole study: its texts, its grid of cells, and the files that say what came out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.storage import make_directory, write_atomic
from farthing.session import Session
from farthing.studies.runner import run_tasks
from farthing.studies.worth.arms import ArmText, make_texts
from farthing.studies.worth.cells import Cell, CellResult
from farthing.studies.worth.config import Arm, WorthConfig
from farthing.studies.worth.figures import Worth, worth_of
from farthing.studies.worth.table import markdown

_ROOM = "studies"
CELLS, PAGE = "cells.json", "worth.md"


@dataclass(frozen=True)
class Study:
    """A finished study.

    Attributes:
        config: what was asked.
        texts: of the arms.
        cells: what every model reached.
        worth: what that says.
        directory: where it stands.
    """

    config: WorthConfig
    texts: dict[Arm, ArmText]
    cells: tuple[CellResult, ...]
    worth: Worth
    directory: Path

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "study": str(self.directory),
            "cells": [cell.model_dump(mode="json") for cell in self.cells],
        }


def measure_worth(config: WorthConfig, session: Session, *, jobs: int, command: str) -> Study:
    """Run what is not there yet of a study, and write its results into the workspace.

    Args:
        config: recipe and study.
        session: of the workspace.
        jobs: models trained at a time.
        command: what the user typed, for the page.

    Raises:
        ConfigError: the recipe has no raw text.
        CorpusError: text that is missing, or too little of it.
        InterruptedRunError: stopped; the same call goes on.
    """
    final, texts = make_texts(config, session)
    grid = list(cells_of(config, texts, final))
    settings = config.model_dump(mode="json")
    study = digest_json({"settings": settings, "texts": [text.digest for text in texts.values()]})
    place = make_directory(session.workspace.root / _ROOM / f"{config.name}-worth-{study[:10]}")
    found: list[CellResult] = []
    for done in run_tasks(grid, session, jobs=jobs):
        found.append(done.result)
        told = f"{done.result.mean_bpb:.4f} bits per byte"
        session.show.line(f"done      {len(found)} of {len(grid)}: {done.task.title}: {told}")
        _write_cells(place, settings, found)
    worth = worth_of(found, config.worth.seeds, config.worth.ordered)
    tokens = config.train.steps * config.train.batch_sequences * config.model.context
    page = markdown(
        worth,
        texts,
        title=f"{config.name}: what each step of curation is worth",
        command=command,
        machines={cell.run.machine for cell in found},
        tokens=tokens,
    )
    write_atomic(place / PAGE, page.encode())
    return Study(config, texts, tuple(found), worth, place)


def cells_of(config: WorthConfig, texts: dict[Arm, ArmText], final: ArmText) -> Iterator[Cell]:
    """The grid, seed by seed: after the first seed there is a whole, if thin, study."""
    for seed in config.worth.seeds:
        for arm, text in texts.items():
            yield Cell(config, text, final, seed)
            if arm == "raw":
                for length in config.worth.raw_lengths:
                    yield Cell(config, text, final, seed, length)


def _write_cells(place: Path, settings: dict[str, Any], found: Sequence[CellResult]) -> None:
    order = sorted(found, key=lambda cell: (cell.arm, cell.length, cell.seed))
    data = {"settings": settings, "cells": [cell.model_dump(mode="json") for cell in order]}
    write_atomic(place / CELLS, (json.dumps(data, indent=1) + "\n").encode())
