"""data-juicer's operators, called as its executor calls them: on columns, statistics beside them.

Only what runs without a model is here. Imported when it is first asked for: it is a rival that a
race can do without, and it installs what it finds missing while it is being imported.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cache
from typing import Any

JUICER, JUICER_PACKAGE = "data_juicer", "py-data-juicer"
FILTERS = {
    "word_repetition_filter": "WordRepetitionFilter",
    "character_repetition_filter": "CharacterRepetitionFilter",
    "words_num_filter": "WordsNumFilter",
    "text_length_filter": "TextLengthFilter",
    "alphanumeric_filter": "AlphanumericFilter",
    "special_characters_filter": "SpecialCharactersFilter",
    "average_line_length_filter": "AverageLineLengthFilter",
    "maximum_line_length_filter": "MaximumLineLengthFilter",
}
# Those that hand words and lines to each other.
_SHARING = {
    "word_repetition_filter",
    "words_num_filter",
    "average_line_length_filter",
    "maximum_line_length_filter",
}
_AT_ONCE = 1000  # its default for operators that take batches


@cache
def operator(kind: str, module: str, name: str, **options: int) -> Any:  # noqa: ANN401
    """An operator of its package `ops.KIND.MODULE`, with the defaults but for `options`."""
    made = getattr(importlib.import_module(f"{JUICER}.ops.{kind}.{module}"), name)
    return made(**options)


def measured(texts: Sequence[str]) -> list[list[bool]]:
    """What each filter keeps of each text, words cut once for all of them; [filters][texts]."""
    fields = importlib.import_module(f"{JUICER}.utils.constant").Fields
    filters = {module: operator("filter", module, name) for module, name in FILTERS.items()}
    kept: list[list[bool]] = [[] for _ in filters]
    for first in range(0, len(texts), _AT_ONCE):
        some = list(texts[first : first + _AT_ONCE])
        samples = {
            "text": some,
            fields.stats: [{} for _ in some],
            fields.context: [{} for _ in some],
        }
        for answers, (module, one) in zip(kept, filters.items(), strict=True):
            arguments = {"context": True} if module in _SHARING else {}
            answers += one.process_batched(one.compute_stats_batched(samples, **arguments))
    return kept


def masked(texts: Sequence[str]) -> list[str]:
    """The texts without e-mail addresses and IP addresses."""
    samples = {"text": list(texts)}
    for module, name in (
        ("clean_email_mapper", "CleanEmailMapper"),
        ("clean_ip_mapper", "CleanIpMapper"),
    ):
        samples = operator("mapper", module, name).process_batched(samples)
    return samples["text"]


def text_hashes(texts: Sequence[str]) -> list[str]:
    """The MD5 digest of each text, white space around it left out."""
    one = operator("deduplicator", "document_deduplicator", "DocumentDeduplicator")
    return [next(v for k, v in one.compute_hash({"text": t}).items() if k != "text") for t in texts]


def min_hashes(texts: Sequence[str], bands: int, rows: int) -> list[list[bytes]]:
    """The bands of each text's MinHash signature over 5-grams of words."""
    one = operator(
        "deduplicator",
        "document_minhash_deduplicator",
        "DocumentMinhashDeduplicator",
        num_permutations=bands * rows,
        num_bands=bands,
        num_rows_per_band=rows,
    )
    return [next(v for k, v in one.compute_hash({"text": t}).items() if k != "text") for t in texts]
