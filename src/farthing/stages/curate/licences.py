"""Which licences may enter a corpus: every distinct wording is judged once, then looked up."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farthing.documents.batch import UNSTATED
from farthing.stages.curate.settings.licences import LicencesConfig

# Only the word: a slash, a comma or "mix" does not say that one of the two is enough.
_OR = re.compile(r"\s+or\s+")
_ALL_BIND = re.compile(r";|\band\b|\bmix\b")
_SHOWN = 80  # characters of a wording; some records state a whole licence text
_MOST_REASONS = 100  # that are told apart: wordings with names and years may be as many as texts
_OTHERS = "licence:other wordings"


def judge_licences(
    column: pa.Array, config: LicencesConfig
) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """Which documents of a batch fail by their licence, and why.

    Args:
        column: the licences as stated, a string array without nulls.
        config: what is allowed.

    Returns:
        reasons: int32 [D], places in the table, -1 for documents that stay.
        table: `licence:WORDING` of each wording that fails, sorted.
    """
    coded = column.dictionary_encode()
    wordings: list[str] = coded.dictionary.to_pylist()
    reasons = [None if allows(wording, config) else _reason(wording) for wording in wordings]
    table = tuple(sorted({reason for reason in reasons if reason is not None}))
    places = {reason: place for place, reason in enumerate(table)}
    codes = np.array(
        [-1 if reason is None else places[reason] for reason in reasons], dtype=np.int32
    )
    return codes[coded.indices.to_numpy(zero_copy_only=False)], table


def commonest(
    reasons: npt.NDArray[np.int32], table: Sequence[str]
) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    """The same with at most a hundred reasons of their own: those of most documents.

    Args:
        reasons: int32 [D], places in `table`, -1 for documents that stay.
        table: names of the reasons.

    Returns:
        As `judge_licences`; where reasons were left out, the last of the table stands for them all.
    """
    if len(table) <= _MOST_REASONS:
        return reasons, tuple(table)
    counts = np.bincount(reasons[reasons >= 0], minlength=len(table))
    told = np.sort(np.argsort(-counts, kind="stable")[:_MOST_REASONS])
    places = np.full(len(table) + 1, _MOST_REASONS, dtype=np.int32)
    places[told] = np.arange(_MOST_REASONS)
    places[-1] = -1
    return places[reasons], (*(table[place] for place in told), _OTHERS)


def allows(wording: str, config: LicencesConfig) -> bool:
    """Whether documents under a licence stay.

    "X or Y" passes where one of them does. Any other list ("X; Y", "X mix", "X and Y") must fit a
    pattern as a whole, since all of it may bind.
    """
    folded = " ".join(wording.casefold().split())
    if folded in ("", UNSTATED):
        return config.unstated == "keep"
    if config.allow is None or _fits(folded, config.allow):
        return True
    if _ALL_BIND.search(folded):
        return False
    return any(_fits(part, config.allow) for part in _OR.split(folded))


def _reason(wording: str) -> str:
    return f"licence:{' '.join(wording.split())[:_SHOWN] or UNSTATED}"


def _fits(folded: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(folded, pattern.casefold()) for pattern in patterns)
