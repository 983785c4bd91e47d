"""Calibration text: training text, even over domains, and what training has not read yet."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from farthing.errors import ArtifactError, CorpusError
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.run import curate
from farthing.stages.evaluate.calibration import (
    calibration_text,
    unread_texts,
    windows_read,
)
from farthing.text.batches import Batches
from farthing.text.corpus import Corpus
from farthing.text.order import DataOrder

CONTEXT = 16


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """English works, and Chinese ones, fewer of them."""
    folder = tmp_path_factory.mktemp("calibration")
    lines = []
    for language, works, letters in (("en", 40, "abcdefgh "), ("zh", 12, "山水花草日月")):
        for work in range(works):
            source = random.Random(f"{language}{work}")
            text = "".join(source.choice(letters) for _ in range(600))
            line = f'{{"id": "{language}{work}", "text": "{text}", "language": "{language}"}}\n'
            lines.append(line)
    (folder / "raw.jsonl").write_text("".join(lines), encoding="utf-8")
    source = str(folder / "raw.jsonl")
    settings = CurateConfig(
        sources=(source,), until="raw", workers=1, tokenizer="bytes", held_out_share=0.1
    )
    return curate(settings, folder / "corpus", "key").corpus


def test_every_domain_gives_as_many_windows_of_its_training_text(corpus: Corpus):
    text = calibration_text(corpus, context=CONTEXT, sequences=7, seed=1)
    assert {d: batch.tokens.shape for d, batch in text.batches.items()} == dict.fromkeys(
        corpus.domains, (4, CONTEXT + 1)
    )
    assert text.tokens == 2 * 4 * CONTEXT
    for domain, batch in text.batches.items():
        stream = corpus.shard("train", domain).tokens.astype(np.int64)
        windows = {bytes(w) for w in np.lib.stride_tricks.sliding_window_view(stream, CONTEXT + 1)}
        assert all(bytes(row) in windows for row in batch.tokens)


def test_bytes_per_token_leave_the_marks_between_documents_out(corpus: Corpus):
    text = calibration_text(corpus, context=CONTEXT, sequences=2, seed=1)
    # One token is one byte here.
    assert text.bytes_per_token == pytest.approx({"en": 1.0, "zh": 1.0})


@pytest.mark.parametrize("weights", [None, {"en": 0.1, "zh": 0.9}], ids=["by size", "mixture"])
def test_what_comes_after_the_windows_read_is_unread(corpus: Corpus, weights, monkeypatch):
    # Blocks as small as this corpus, so that an epoch holds more than one.
    for module in ("farthing.text.order", "farthing.stages.evaluate.calibration"):
        monkeypatch.setattr(f"{module}.BLOCK_SEQUENCES", 64)
    order = Batches(corpus, context=CONTEXT, weights=weights, seed=5).order
    read = 100
    seen = {order.locate(i) for i in range(read)}
    after = windows_read(corpus, weights=weights, sequences=read)
    for domain in corpus.domains:
        count = sum(place.domain == domain for place in seen)
        assert count <= after[domain] < count + 64
        own = DataOrder({domain: corpus.tokens("train", domain)}, {domain: 1.0}, CONTEXT, 5)
        next_ones = {own.locate(after[domain] + i) for i in range(8)}
        assert not next_ones & seen
        text = calibration_text(corpus, context=CONTEXT, sequences=16, seed=5, after=after)
        shard = corpus.shard("train", domain).tokens
        expected = own.locate(after[domain] + 3).start
        row = text.batches[domain].tokens[3]
        assert row.tolist() == shard[expected : expected + CONTEXT + 1].tolist()


def test_parts_of_the_unread_text_follow_each_other_from_where_training_stopped(
    corpus: Corpus, supernet, monkeypatch
):
    for module in ("farthing.text.order", "farthing.stages.evaluate.calibration"):
        monkeypatch.setattr(f"{module}.BLOCK_SEQUENCES", 64)
    order = {"seed": 5, "mixture": None, "next_sequence": 100}
    trained = replace(supernet, origin={"data_order": order})
    context = supernet.model.config.context
    lengths = (4, 6, 10)
    parts = unread_texts(trained, corpus, lengths)
    assert [len(part.batches) for part in parts] == [2, 2, 2]
    after = windows_read(corpus, weights=None, sequences=100)
    for domain in corpus.domains:
        found = np.concatenate([part.batches[domain].tokens for part in parts])
        assert len(found) == sum(lengths) / 2
        own = DataOrder({domain: corpus.tokens("train", domain)}, {domain: 1.0}, context, 5)
        shard = corpus.shard("train", domain).tokens
        for place, row in enumerate(found):
            start = own.locate(after[domain] + place).start
            assert row.tolist() == shard[start : start + context + 1].tolist()


def test_a_model_that_does_not_say_what_it_read_has_no_unread_text(corpus: Corpus, supernet):
    silent = replace(supernet, origin={})
    with pytest.raises(ArtifactError, match="which text it was trained on"):
        unread_texts(silent, corpus, [4])


def test_a_domain_without_one_window_is_left_out_and_none_at_all_is_an_error(corpus: Corpus):
    shortest = min(corpus.domains, key=lambda domain: corpus.tokens("train", domain))
    longest = max(corpus.domains, key=lambda domain: corpus.tokens("train", domain))
    context = corpus.tokens("train", shortest)
    text = calibration_text(corpus, context=context, sequences=1, seed=0)
    assert set(text.batches) == {longest}
    with pytest.raises(CorpusError, match="one window"):
        calibration_text(corpus, context=10**6, sequences=1, seed=0)
