"""The whole study: its grid of cells, what came out, and the files that say so."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from farthing import flow
from farthing.artifacts.canonical import digest_json
from farthing.artifacts.config import parse_config
from farthing.artifacts.storage import make_directory, write_atomic
from farthing.errors import ArtifactError, ConfigError
from farthing.model.shape import Shape
from farthing.session import Session
from farthing.studies.compare.figures import UNITS
from farthing.studies.compare.results import CellResult
from farthing.studies.headstart import runs
from farthing.studies.headstart.cells import Cell, family_shapes, named_again
from farthing.studies.headstart.config import HeadstartConfig
from farthing.studies.headstart.figures import Study, read_study
from farthing.studies.headstart.page import markdown
from farthing.studies.headstart.picture import picture
from farthing.studies.runner import run_tasks

_ROOM = "studies"
CELLS, PAGE = "cells.json", "headstart.md"


@dataclass(frozen=True)
class Headstart:
    """A finished study.

    Attributes:
        config: what was asked.
        cells: what every run gave.
        directory: where it stands.
    """

    config: HeadstartConfig
    cells: tuple[CellResult, ...]
    directory: Path

    @property
    def study(self) -> Study:
        """What the cells say."""
        return read_study(self.cells, self.config.headstart)


def headstart(
    config: HeadstartConfig,
    session: Session,
    *,
    jobs: int,
    command: str,
    known: Sequence[CellResult] = (),
) -> Headstart:
    """Run what is not there yet of a study, and write its results into the workspace.

    Args:
        config: recipe and study.
        session: of the workspace.
        jobs: processes at a time.
        command: what the user typed, for the page.
        known: cells that were run elsewhere; those with the same settings and text are taken as
            they are, with the code that they name.

    Raises:
        ConfigError: a member, a way or a growth that does not fit.
        InterruptedRunError: stopped; the same call goes on.
    """
    corpus = flow.run_curate(config.run, session)
    _check(config, corpus.vocab_size)
    there = {cell.key: cell for cell in known}
    keyed = [(cell, cell.key(corpus.text_digest)) for cell in cells_of(config)]
    study = digest_json([key for _, key in keyed])
    place = make_directory(session.workspace.root / _ROOM / f"{config.name}-{study[:10]}")
    grid = [cell for cell, key in keyed if key not in there]
    found = [named_again(there[key], cell) for cell, key in keyed if key in there]
    if known:
        session.show.line(f"known     {len(found)} of {len(keyed)} cells were run before")
    for done in run_tasks(grid, session, jobs=jobs):
        found.append(done.result)
        session.show.line(f"done      {len(found)} of {len(keyed)}: {_told(done.result)}")
        _write(place, config, found)
    _write(place, config, found)
    made = Headstart(config, tuple(found), place)
    write_page(made, command=command)
    return made


def cells_of(config: HeadstartConfig) -> Iterator[Cell]:
    """The grid, seed by seed: after the first seed there is a whole, if thin, study."""
    study = config.headstart
    members = [str(Shape.parse(text, config.model)) for text in study.members]
    for seed in study.seeds:
        yield Cell(config, "elastic", seed)
        for name in study.grow:
            yield Cell(config, "grown", seed, name=name)
        for member in members:
            for length in study.lengths:
                for name in study.ways:
                    yield Cell(config, "continued", seed, member, name, length)
            for length in sorted((*study.lengths, *study.longer)):
                yield Cell(config, "scratch", seed, member, length=length)


def write_page(made: Headstart, *, command: str) -> None:
    """The page and its pictures, in the folder of the study."""
    title = f"{made.config.name}: what a trained model is worth as a beginning"
    study = made.study
    pictures: dict[str, list[str]] = {}
    for curves in study.members:
        for unit in UNITS:
            name = f"{curves.member}-{unit.replace('_', '-')}.svg"
            write_atomic(made.directory / name, picture(curves, unit).encode())
            pictures.setdefault(curves.member, []).append(name)
    text = markdown(study, made.config.headstart, title=title, command=command, pictures=pictures)
    write_atomic(made.directory / PAGE, text.encode())


def read_headstart(place: Path) -> Headstart:
    """What `headstart` wrote into a folder.

    Raises:
        ArtifactError: it cannot be read.
    """
    path = place / CELLS
    try:
        data = json.loads(path.read_bytes())
        cells = tuple(CellResult.model_validate_json(json.dumps(cell)) for cell in data["cells"])
        config = parse_config(HeadstartConfig, data["settings"], where=str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path} cannot be read: {error}", remedy="run the study again: farthing headstart"
        ) from error
    return Headstart(config, cells, place)


def _check(config: HeadstartConfig, vocab_size: int) -> None:
    """Everything that would only be found out in the middle of the study."""
    study, run = config.headstart, config.run
    family_shapes(config)
    for text in study.members:
        shape = Shape.parse(text, config.model)
        if len(set(shape.experts)) > 1 or len(set(shape.top_k)) > 1:
            raise ConfigError(
                f"headstart.members: {shape} has not the same experts and top-k in all layers",
                remedy="name uniform members, as 4L-8E-2K: no other is trained from scratch",
            )
        for changes in study.ways.values():
            runs.continued(run, changes, seed=0, flops=1.0, shape=shape, vocab_size=vocab_size)
    for growth in study.grow.values():
        runs.grown(run, growth, seed=0, flops=1.0, vocab_size=vocab_size)


def _write(place: Path, config: HeadstartConfig, found: list[CellResult]) -> None:
    order = sorted(found, key=lambda cell: (cell.arm, cell.name, cell.length, cell.seed))
    data = {
        "settings": config.model_dump(mode="json"),
        "cells": [cell.model_dump(mode="json") for cell in order],
    }
    write_atomic(place / CELLS, (json.dumps(data, indent=1) + "\n").encode())


def _told(cell: CellResult) -> str:
    name = f"{cell.arm} {cell.name}".rstrip() + f" x {cell.length:g}, seed {cell.seed}"
    if cell.complaint:
        return f"{name}: {cell.complaint}"
    best = min(scored.score.mean_bpb for scored in cell.scored)
    seconds = sum(run.wall_seconds for run in cell.runs)
    return f"{name}: {best:.3f} bits per byte, {seconds:,.0f} s"
