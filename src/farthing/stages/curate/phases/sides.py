"""Which side of the split each document is on, by work, and what repeats held-out text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farthing.documents.batch import large_strings, text_bytes
from farthing.errors import CorpusError
from farthing.kernels.windows_index import hash_texts, index_windows, some_texts
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.near_duplicates import NearDuplicates
from farthing.stages.curate.phases.columns import Columns
from farthing.stages.curate.phases.decisions import Decisions
from farthing.stages.curate.split import split_by_work
from farthing.text.corpus import SPLITS, Split

# Of the bytes: domains below it are dropped where they cannot be split.
_TINY = 0.01

TRAIN, DEV, TEST = (SPLITS.index(side) for side in ("train", "dev", "test"))


def choose_sides(
    columns: Columns,
    config: CurateConfig,
    decisions: Decisions,
    sizes: npt.NDArray[np.int64],
    given: Mapping[int, Split],
) -> npt.NDArray[np.int8]:
    """The side of every document that is still in; -1 for the others.

    Args:
        columns: of the measuring phase.
        config: the settings.
        decisions: what is in.
        sizes: int64 (documents), bytes of the text as it will be.
        given: number of a file -> the side of all its documents; empty where the split is drawn.

    Raises:
        CorpusError: a domain has too little text for three sides.
    """
    kept = np.flatnonzero(decisions.kept)
    sides = np.full(len(columns), -1, dtype=np.int8)
    if given:
        files, names = columns.strings("file")
        side_of = np.array([SPLITS.index(given[int(name)]) for name in names], dtype=np.int8)
        sides[kept] = side_of[files[kept]]
        return sides
    works, work_names = columns.strings("work")
    domains, domain_names = columns.strings("domain")
    chosen = split_by_work(
        (
            (work_names[work], domain_names[domain], int(size))
            for work, domain, size in zip(works[kept], domains[kept], sizes[kept], strict=True)
        ),
        share=config.held_out_share,
        most_bytes=config.held_out_bytes,
        seed=config.split_seed,
    )
    side_of_work = np.array(
        [SPLITS.index(chosen[name]) if name in chosen else -1 for name in work_names], dtype=np.int8
    )
    sides[kept] = side_of_work[works[kept]]
    return sides


def drop_tiny_domains(
    columns: Columns,
    decisions: Decisions,
    sizes: npt.NDArray[np.int64],
    sides: npt.NDArray[np.int8] | None = None,
) -> None:
    """Drop domains of less than a hundredth of the text that cannot have three sides.

    A pile from anywhere holds a page or two in languages that nobody asked for; they must not end
    the run. A larger domain without three sides is for the user to decide on.

    Args:
        columns: of the measuring phase.
        decisions: changed.
        sizes: int64 (documents), bytes of the text.
        sides: int8 (documents), place in `SPLITS`: a side must not be empty; None before the split,
            when three works are enough.
    """
    codes, names = columns.strings("domain")
    kept = decisions.kept
    kinds = columns.strings("work")[0] if sides is None else sides
    whole = int(sizes[kept].sum())
    for code, name in enumerate(names):
        mine = kept & (codes == code)
        if len(np.unique(kinds[mine])) < len(SPLITS) and sizes[mine].sum() < _TINY * whole:
            decisions.drop("split", f"tiny_domain:{name}", mine)


def drop_repeats_in_dev(
    columns: Columns, config: CurateConfig, decisions: Decisions, sides: npt.NDArray[np.int8]
) -> NearDuplicates:
    """Where dev repeats test it goes.

    Returns:
        The index of all text that is held out.
    """
    held = np.flatnonzero(decisions.kept & ((sides == TEST) | (sides == DEV)))
    data, offsets = text_bytes(_texts(columns, held))
    hashed = hash_texts(data, offsets)
    share = config.near_duplicate_share
    tests = NearDuplicates(index_windows(some_texts(hashed, sides[held] == TEST)), share=share)
    repeats = np.zeros(len(columns), dtype=np.bool_)
    repeats[held] = tests.which_repeat(data, offsets, sides[held] == DEV)
    del tests
    decisions.drop("split", "dev_near_duplicate_of_held_out", repeats)
    return NearDuplicates(index_windows(some_texts(hashed, decisions.kept[held])), share=share)


def check_domains(
    columns: Columns,
    decisions: Decisions,
    sides: npt.NDArray[np.int8],
    elsewhere: Sequence[str] = (),
) -> tuple[str, ...]:
    """The domains of the corpus, sorted.

    Args:
        columns: of the measuring phase.
        decisions: what is in.
        sides: int8 (documents), place in `SPLITS`.
        elsewhere: domains whose held-out text comes from another corpus; () where it is drawn here.

    Raises:
        CorpusError: nothing is left, or a side of a domain is empty.
    """
    codes, names = columns.strings("domain")
    kept = decisions.kept
    domains = sorted(names[code] for code in np.unique(codes[kept]))
    if not domains:
        raise CorpusError(
            f"of {len(columns)} documents none is left; dropped: {_by_reason(decisions)}",
            remedy="look at the reasons: correct the sources or the limits, or set "
            "corpus.until=raw to keep text as it is",
        )
    if elsewhere:
        return tuple(sorted({*domains, *elsewhere}))
    for number, side in enumerate(SPLITS):
        for domain in domains:
            if not np.any(kept & (sides == number) & (codes == names.index(domain))):
                raise CorpusError(
                    f"domain {domain!r} has no {side} text left; documents dropped: "
                    f"{_by_reason(decisions)}",
                    remedy="add text that does not repeat, or raise near_duplicate_share",
                )
    return tuple(domains)


def _texts(columns: Columns, ordinals: npt.NDArray[np.int64]) -> pa.LargeStringArray:
    parts = [batch.column("text") for _, batch in columns.rows(ordinals, ["text"])]
    return pa.concat_arrays(parts) if parts else large_strings([])


def _by_reason(decisions: Decisions) -> str:
    return (
        ", ".join(f"{reason} {count}" for reason, count in decisions.by_reason().items()) or "none"
    )
