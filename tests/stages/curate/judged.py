"""Texts held to the shipped rules."""

from __future__ import annotations

from collections import Counter

import numpy as np

from farthing.documents.batch import large_strings, text_bytes
from farthing.documents.measure import measure
from farthing.kernels.words import split_words
from farthing.stages.curate.profiles import build_rules
from farthing.stages.curate.rules import judge
from farthing.stages.curate.settings.rules import RulesConfig


def reasons_of(texts, profile, config=None):
    """The reason of each text, None where it is kept."""
    book = build_rules(config or RulesConfig())
    column = large_strings(texts)
    signals = measure(column, split_words(*text_bytes(column)))
    codes = np.full(len(texts), list(book.profiles).index(profile), dtype=np.int16)
    judgement = judge(book, codes, signals)
    return [None if code < 0 else judgement.reasons[code] for code in judgement.first]


def counted_reasons(texts, profile):
    return Counter(reasons_of(texts, profile))
