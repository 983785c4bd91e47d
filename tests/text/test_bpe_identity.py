"""Tokenizers as we learn and use them are those of `tokenizers`: the same file, the same ids."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as HfTokenizer

from farthing.text.bpe import add_up, count_texts, flat_texts
from farthing.text.sample import sample_file
from farthing.text.tokenizer import (
    QWEN2_SPLIT,
    SPECIAL_TOKENS,
    Tokenizer,
    bpe_from_counts,
    byte_vocabulary,
    train_bpe,
)

VOCAB_SIZE = 900


def sample_texts(most: int) -> list[str]:
    """English, Chinese, code and maths from the embedded sample, about `most` characters."""
    with sample_file("dev").open("rb") as file:
        data = zstandard.ZstdDecompressor().stream_reader(file).read()
    texts = [json.loads(line)["text"] for line in data.splitlines()]
    random.Random(4).shuffle(texts)
    chosen: list[str] = []
    while sum(map(len, chosen)) < most:
        chosen.append(texts[len(chosen)])
    return chosen


def learned_by_the_library(texts: list[str], vocab_size: int) -> str:
    """A tokenizer file that no code of ours had a part in."""
    inner = HfTokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.pre_tokenizer = pre_tokenizers.Sequence([split, to_bytes])
    inner.decoder = decoders.ByteLevel()
    special = [AddedToken(text, special=True, normalized=False) for text in SPECIAL_TOKENS]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        show_progress=False,
        special_tokens=special,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    inner.train_from_iterator(texts, trainer=trainer)
    return str(inner.to_str(pretty=True)) + "\n"


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return [*sample_texts(150_000), "=" * 3001 + "\n" * 77 + "-=" * 500, "a" * 999, ""]


@pytest.fixture(scope="module")
def library_file(texts) -> str:
    return learned_by_the_library(texts, VOCAB_SIZE)


@pytest.fixture(scope="module")
def own(texts) -> Tokenizer:
    return train_bpe(texts, VOCAB_SIZE)


@pytest.fixture(scope="module")
def library(library_file) -> HfTokenizer:
    inner = HfTokenizer.from_str(library_file)
    inner.encode_special_tokens = True
    return inner


def test_the_file_is_that_of_the_librarys_trainer_byte_for_byte(own, library_file, tmp_path):
    own.save(tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == library_file.encode()
    assert len(json.loads(library_file)["model"]["merges"]) == VOCAB_SIZE - 260


@pytest.mark.parametrize("text", ["", "ab", "aaaa", "abab abab"])
def test_too_little_text_gives_the_librarys_smaller_vocabulary(text, tmp_path):
    train_bpe([text], 400).save(tmp_path)
    expected = learned_by_the_library([text], 400)
    assert (tmp_path / "tokenizer.json").read_bytes() == expected.encode()


def test_counts_of_parts_in_any_order_give_the_same_file(own, texts):
    parts = [count_texts(texts[5:]), count_texts(texts[:2]), count_texts(texts[2:5])]
    assert bpe_from_counts(add_up(parts), VOCAB_SIZE).fingerprint == own.fingerprint


def test_ids_of_real_text_are_the_librarys(own, library, texts):
    assert own.encode_batch(texts) == [
        library.encode(text, add_special_tokens=False).ids for text in texts
    ]


SCRIPTS = [
    *(chr(code) for code in range(32, 127)),
    *"\t\n\r\x85\xa0\u2028\u3000\u017f\u212a\u0130éß中文\uff0c。ひ가بि़٣½²🙂\u200d\U00020000",
    *("the ", "'LL", "<|endoftext|>", "<|pad|>", "\r\n\r\n", "    ", "的一", "====", "aaa"),
]


@given(st.lists(st.sampled_from(SCRIPTS), max_size=60).map("".join))
@settings(max_examples=300, deadline=None)
def test_ids_of_traps_are_the_librarys(own, library, text):
    assert own.encode(text) == library.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("unit", ["a", " ", "的", "=-", "the", "\n", "é"])
@pytest.mark.parametrize("times", [127, 128, 129, 1001])
def test_ids_of_long_runs_are_the_librarys(own, library, unit, times):
    text = unit * times
    assert own.encode(text) == library.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("kind", ["bpe", "bytes"])
def test_a_flat_batch_is_the_lists_one_after_another(own, texts, kind):
    tokenizer = own if kind == "bpe" else byte_vocabulary()
    data, offsets = flat_texts(texts[:9])
    batch = tokenizer.encode_flat(data, offsets)
    assert batch.ids.dtype == np.int32
    rows = [batch.ids[a:b].tolist() for a, b in zip(batch.starts, batch.starts[1:], strict=False)]
    assert rows == tokenizer.encode_batch(texts[:9])
    # A slice of a larger array of texts, as a part of a column is.
    part = tokenizer.encode_flat(data, offsets[3:6])
    assert part.ids.tolist() == rows[3] + rows[4]
    assert part.starts[0] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"normalizer": {"type": "Lowercase"}},
        {
            "pre_tokenizer": {
                "type": "ByteLevel",
                "add_prefix_space": False,
                "trim_offsets": True,
                "use_regex": True,
            }
        },
    ],
    ids=["normalizer", "another split"],
)
def test_a_file_of_another_kind_is_left_to_the_library(library_file, change):
    changed = json.dumps({**json.loads(library_file), **change})
    inner = HfTokenizer.from_str(changed)
    inner.encode_special_tokens = True
    texts = ["Grün IS the colour\n\n of 12 trees", "<|pad|> x", ""]
    expected = [inner.encode(text, add_special_tokens=False).ids for text in texts]
    assert Tokenizer(changed).encode_batch(texts) == expected


def test_half_a_surrogate_pair_is_refused_as_it_has_no_bytes(own):
    with pytest.raises(UnicodeEncodeError):
        own.encode("\ud800")
