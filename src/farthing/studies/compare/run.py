"""A whole comparison: its grid of cells, what came out, and the files that say so."""

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
from farthing.model.shape import Shape, distinct_shapes
from farthing.session import Session
from farthing.studies.compare.cells import Cell
from farthing.studies.compare.config import ComparisonConfig
from farthing.studies.compare.figures import Cells
from farthing.studies.compare.members import geometric_members
from farthing.studies.compare.names import SAME_FLOPS
from farthing.studies.compare.page import Summary, markdown
from farthing.studies.compare.picture import picture
from farthing.studies.compare.results import CellResult
from farthing.studies.runner import run_tasks
from farthing.text.corpus import Corpus

_ROOM = "studies"
CELLS, PAGE, PICTURE = "cells.json", "comparison.md", "comparison.svg"


@dataclass(frozen=True)
class Comparison:
    """A finished comparison.

    Attributes:
        config: what was asked.
        cells: what every arm and seed gave.
        directory: where it stands.
    """

    config: ComparisonConfig
    cells: Cells
    directory: Path


def compare(
    config: ComparisonConfig,
    session: Session,
    *,
    jobs: int,
    command: str,
    known: Sequence[CellResult] = (),
) -> Comparison:
    """Run what is not there yet of a comparison, and write its results into the workspace.

    Args:
        config: recipe and comparison.
        session: of the workspace.
        jobs: processes at a time.
        command: what the user typed, for the page.
        known: cells that were run elsewhere; those with the same settings and text are taken as
            they are, with the code that they name.

    Raises:
        ConfigError: members that cannot be compared, or baselines that do not fit.
        InterruptedRunError: stopped; the same call goes on.
    """
    corpus = flow.run_curate(config.run, session)
    shapes = comparable_members(config, corpus)
    members = tuple(str(shape) for shape in shapes)
    there = {cell.key: cell for cell in known}
    keyed = [(cell, cell.key(corpus.text_digest)) for cell in cells_of(config, members)]
    study = digest_json([key for _, key in keyed])
    place = make_directory(session.workspace.root / _ROOM / f"{config.name}-{study[:10]}")
    grid = [cell for cell, key in keyed if key not in there]
    found = [there[key] for _, key in keyed if key in there]
    if known:
        session.show.line(f"known     {len(found)} of {len(keyed)} cells were run before")
    for done in run_tasks(grid, session, jobs=jobs):
        found.append(done.result)
        session.show.line(f"done      {len(found)} of {len(keyed)}: {_told(done.result)}")
        _write(place, config, shapes, found)
    _write(place, config, shapes, found)
    cells = _cells(config, shapes, found)
    write_page(place, cells, config, command=command)
    return Comparison(config, cells, place)


def write_page(place: Path, cells: Cells, config: ComparisonConfig, *, command: str) -> None:
    """The page and its picture, in the folder `place`."""
    title = f"{config.name}: elastic against its controls"
    write_atomic(place / PICTURE, picture(cells, title).encode())
    summary = Summary(cells, config.compare)
    text = markdown(summary, title=title, command=command, picture=PICTURE)
    write_atomic(place / PAGE, text.encode())


def comparable_members(config: ComparisonConfig, corpus: Corpus) -> list[Shape]:
    """The members of the recipe if it is a comparison's own, or a geometric row of sizes.

    Raises:
        ConfigError: the full shape is not among them, or one has different experts in its layers.
    """
    if config.compare.members is None:
        return geometric_members(config.run, corpus.vocab_size)
    shapes = distinct_shapes(config.compare.members, config.model)
    full = Shape.full(config.model)
    if full not in shapes:
        raise ConfigError(
            "compare.members lacks the full shape, so the elastic tax cannot be told",
            remedy=f"add {full.label(config.model)}",
        )
    for shape in shapes:
        if len(set(shape.experts)) > 1 or len(set(shape.top_k)) > 1:
            raise ConfigError(
                f"compare.members: {shape} has not the same experts and top-k in all layers",
                remedy="compare uniform members, as 5L-8E-2K; the other arms have no such shape",
            )
    if "mixed" in config.compare.arms and not any(
        shape.top_k and shape.top_k[0] < config.model.top_k for shape in shapes
    ):
        raise ConfigError(
            "compare.members: none has a smaller top-k, so there is nothing to tune in arm mixed",
            remedy="add a member with a smaller top-k, or leave mixed out of compare.arms",
        )
    return sorted(shapes, key=lambda shape: shape != full)


def cells_of(config: ComparisonConfig, members: tuple[str, ...]) -> Iterator[Cell]:
    """The grid, seed by seed: after the first seed there is a whole, if thin, comparison."""
    compare = config.compare
    for seed in compare.seeds:
        yield Cell(config, members, "elastic", seed)
        for name in compare.variants:
            yield Cell(config, members, "variant", seed, name=name)
        yield Cell(config, members, "plain", seed)
        yield Cell(config, members, "plain", seed, name=SAME_FLOPS, length=0.0)
        for length in compare.plain_lengths:
            yield Cell(config, members, "plain", seed, length=length)
        for arm in ("pruned", "mixed"):
            if arm in compare.arms:
                yield Cell(config, members, arm, seed)
        for member in members[1:] if "scratch" in compare.arms else ():
            for length in compare.scratch_lengths:
                yield Cell(config, members, "scratch", seed, name=member, length=length)
        for name, baseline in compare.baselines.items():
            for length in baseline.lengths:
                yield Cell(config, members, "baseline", seed, name=name, length=length)


def read_comparison(place: Path) -> Comparison:
    """What `compare` wrote into a folder.

    Raises:
        ArtifactError: it cannot be read.
    """
    path = place / CELLS
    try:
        data = json.loads(path.read_bytes())
        every = tuple(CellResult.model_validate_json(json.dumps(cell)) for cell in data["cells"])
        cells = Cells(every, tuple(data["seeds"]), tuple(data["members"]))
        config = parse_config(ComparisonConfig, data["settings"], where=str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{path} cannot be read: {error}", remedy="run the comparison again: farthing compare"
        ) from error
    return Comparison(config, cells, place)


def _cells(config: ComparisonConfig, shapes: list[Shape], found: list[CellResult]) -> Cells:
    labels = tuple(shape.label(config.model) for shape in shapes)
    return Cells(tuple(found), config.compare.seeds, labels)


def _write(
    place: Path, config: ComparisonConfig, shapes: list[Shape], found: list[CellResult]
) -> None:
    order = sorted(found, key=lambda cell: (cell.arm, cell.name, cell.length, cell.seed))
    data = {
        "settings": config.model_dump(mode="json"),
        "seeds": config.compare.seeds,
        "members": [shape.label(config.model) for shape in shapes],
        "cells": [cell.model_dump(mode="json") for cell in order],
    }
    write_atomic(place / CELLS, (json.dumps(data, indent=1) + "\n").encode())


def _told(cell: CellResult) -> str:
    name = f"{cell.arm} {cell.name}".rstrip() + f", seed {cell.seed}"
    if cell.complaint:
        return f"{name}: {cell.complaint}"
    best = min(scored.score.mean_bpb for scored in cell.scored)
    seconds = sum(run.wall_seconds for run in cell.runs)
    return f"{name}: {best:.3f} bits per byte, {seconds:,.0f} s"
