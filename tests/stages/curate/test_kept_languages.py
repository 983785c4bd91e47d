# ruff: noqa: RUF001 - Chinese punctuation is meant
"""Which languages stay, and by what reason the others go."""

from __future__ import annotations

import numpy as np
import pytest

from farthing.documents.batch import large_strings, text_bytes
from farthing.documents.language.identify import LANGUAGES, identify
from farthing.stages.curate.languages import REASONS, judge_languages
from farthing.stages.curate.settings.languages import LanguagesConfig

CODES = np.array([LANGUAGES.index(name) for name in ("en", "zh", "ja", "en")], dtype=np.int8)
CONFIDENCE = np.array([0.9, 0.4, 0.9, 0.6], dtype=np.float32)


def reasons(config):
    return [
        None if code < 0 else REASONS[code] for code in judge_languages(CODES, CONFIDENCE, config)
    ]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (LanguagesConfig(), [None] * 4),
        (LanguagesConfig(least_confidence=0.95), [None] * 4),
        (LanguagesConfig(keep=("en", "zh")), [None, None, "language:ja", None]),
        (LanguagesConfig(keep=("zh",)), ["language:en", None, "language:ja", "language:en"]),
        (
            LanguagesConfig(keep=("en", "zh"), least_confidence=0.6),
            [None, "language:unsure", "language:ja", None],
        ),
        (LanguagesConfig(keep=()), ["language:en", "language:zh", "language:ja", "language:en"]),
    ],
    ids=["all", "all-sure", "two", "one", "sure", "none"],
)
def test_documents_go_by_their_language_first_and_by_doubt_second(config, expected):
    assert reasons(config) == expected


def test_what_is_identified_is_what_is_judged():
    texts = ["这是一个测试，看看结果如何。", "これはテストです。", ""]
    codes, confidence = identify(*text_bytes(large_strings(texts)))
    found = judge_languages(codes, confidence, LanguagesConfig(keep=("zh",)))
    assert [REASONS[code] for code in found[1:]] == ["language:ja", "language:und"]
    assert found[0] == -1
