"""The decisions that look at one document alone, or at equal ones: licence, language, rules."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farthing.documents.language.identify import LANGUAGES
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.duplicates.exact import first_copies
from farthing.stages.curate.licences import commonest, judge_licences
from farthing.stages.curate.phases.columns import Columns
from farthing.stages.curate.phases.decisions import Decisions
from farthing.stages.curate.phases.ids import repeated_ids
from farthing.stages.curate.profiles import build_rules


def drop_repeated_ids(columns: Columns, decisions: Decisions) -> None:
    """Of documents with one id the first stays; its copies with the same text are duplicates.

    An id that comes twice would make two documents one in everything that names documents.
    """
    firsts, same = repeated_ids(columns)
    decisions.drop("read", "repeated_document", same)
    decisions.drop("read", "duplicate_id", firsts != np.arange(len(columns)))


def drop_by_licence(columns: Columns, config: CurateConfig, decisions: Decisions) -> None:
    """Drop documents whose licence is not allowed."""
    codes, names = columns.strings("licence")
    reason_of_name, reasons = judge_licences(pa.array(names, pa.string()), config.licences)
    of, told = commonest(reason_of_name[codes], reasons)
    decisions.drop_by("licence", told, of)


def drop_by_language(columns: Columns, config: CurateConfig, decisions: Decisions) -> None:
    """Drop documents in languages that are not kept, or told with too little confidence."""
    if config.languages.keep is None:
        return
    languages, confidence = columns.numbers("language"), columns.numbers("confidence")
    unwanted = [name not in config.languages.keep for name in LANGUAGES]
    reasons = [f"language:{name}" for name in LANGUAGES]
    of = np.where(np.array(unwanted)[languages], languages, -1)
    decisions.drop_by("language", reasons, of)
    decisions.drop("language", "language_uncertain", confidence < config.languages.least_confidence)


def drop_by_rules(columns: Columns, config: CurateConfig, decisions: Decisions) -> None:
    """Drop documents that fail a rule of their profile."""
    if config.rules.apply:
        decisions.drop_by("rules", build_rules(config.rules).reasons, columns.numbers("rule"))


def copies_of_texts(columns: Columns, documents: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """For each of `documents` (ascending) the first of them with the same text."""
    return first_copies(columns.numbers("text"), documents)
