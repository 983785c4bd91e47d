"""Lines and passages that repeat across the documents that are still in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.duplicates.lines import repeated_lines
from farthing.stages.curate.duplicates.passages import second_times
from farthing.stages.curate.phases.columns import Columns
from farthing.stages.curate.phases.decisions import Decisions
from farthing.stages.curate.profiles import build_rules, profile_codes


def find_repeated_lines(
    columns: Columns, config: CurateConfig, decisions: Decisions
) -> npt.NDArray[np.uint64]:
    """Hashes of the lines that stand in many documents; none where they may stay."""
    if not (config.duplicates.lines and config.reaches("deduplicated")):
        return np.zeros(0, dtype=np.uint64)
    counted = decisions.kept & ~keeps_lines(columns.numbers("profile"), config)

    def read() -> Iterator[npt.NDArray[np.uint64]]:
        for number in range(len(columns.folders)):
            lines, ends = columns.ragged("lines", number)
            inside = counted[columns.piece(number)]
            yield lines[np.repeat(inside, np.diff(ends))]

    return repeated_lines(read, least_documents=config.duplicates.line_documents)


def keeps_lines(profiles: npt.NDArray[np.int16], config: CurateConfig) -> npt.NDArray[np.bool_]:
    """Which documents keep all their lines, and count for no other's: those of some profiles.

    Args:
        profiles: int16 [D], as `choose_profiles` returns them: code is code whatever its domain
            is called.
        config: the settings.

    Returns:
        bool [D].

    Raises:
        ConfigError: there is no profile of a name that is set.
    """
    where, names = "corpus.duplicates.lines_stay_in", config.duplicates.lines_stay_in
    return np.isin(profiles, profile_codes(build_rules(config.rules), names, where))


def find_repeated_passages(
    columns: Columns, config: CurateConfig, decisions: Decisions
) -> tuple[npt.NDArray[np.bool_], ...]:
    """For each piece, which passages of its documents stood before; () where they may stay."""
    if not (config.duplicates.pieces and config.reaches("deduplicated")):
        return ()
    parts, counted = [], []
    for number in range(len(columns.folders)):
        keys, ends = columns.ragged("passages", number)
        parts.append(keys.reshape(-1, 2))
        counted.append(np.repeat(decisions.kept[columns.piece(number)], np.diff(ends)))
    whole = np.concatenate(counted)
    again = np.zeros(len(whole), dtype=np.bool_)
    again[whole] = second_times(np.concatenate(parts)[whole])
    return tuple(np.split(again, np.cumsum([len(part) for part in counted])[:-1]))
