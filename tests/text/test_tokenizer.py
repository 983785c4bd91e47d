from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.errors import ArtifactError, ConfigError
from farthing.text.tokenizer import SPECIAL_TOKENS, Tokenizer, byte_vocabulary, train_bpe

TEXTS = [
    "The miller's daughter said that she'd wait; the miller said nothing.\n" * 20,
    "话说山东登州府东门外有一座大山、名叫蓬莱山。山上有个阁子、名叫蓬莱阁。" * 20,
    "def add(a: int, b: int) -> int:\n    return a + b  # 12345\n" * 20,
]
BPE = train_bpe(TEXTS, 340)
BYTES = byte_vocabulary()


@pytest.mark.parametrize("tokenizer", [BPE, BYTES], ids=["bpe", "bytes"])
@given(st.one_of(st.text(), st.lists(st.sampled_from([*TEXTS, *SPECIAL_TOKENS, " \r\n\t🙂é"]))))
@settings(max_examples=60, deadline=None)
def test_text_comes_back_byte_for_byte(tokenizer, text):
    text = "".join(text)
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode_bytes(ids) == text.encode()


@pytest.mark.parametrize("tokenizer", [BPE, BYTES], ids=["bpe", "bytes"])
def test_special_tokens_written_in_text_are_ordinary_characters(tokenizer):
    text = "a<|endoftext|>b<|im_start|>"
    ids = tokenizer.encode(text)
    assert min(ids) >= len(SPECIAL_TOKENS)
    assert tokenizer.decode(ids) == text
    assert tokenizer.end_of_text == 0
    assert tokenizer.decode([0]) == "<|endoftext|>"


def test_training_twice_gives_the_same_file():
    again = train_bpe(iter(TEXTS), 340)
    assert again.fingerprint == BPE.fingerprint
    assert BPE.vocab_size == 340


def test_the_byte_vocabulary_is_one_token_per_byte():
    assert BYTES.vocab_size == 260
    assert len(BYTES.encode("é水a")) == 2 + 3 + 1
    assert len(set(BYTES.decode_bytes(range(4, 260)))) == 256


def test_tokens_never_cross_the_qwen2_split():
    # By hand from the pattern: contractions, digits one by one, space before a word.
    pieces = ["she", "'ll", " pay", " ", "1", "2", " miller", "'s", "\n"]
    ends = set(itertools.accumulate(len(piece) for piece in pieces))
    found = set(itertools.accumulate(len(BPE.decode([i])) for i in BPE.encode("".join(pieces))))
    assert ends <= found


def test_part_of_a_character_is_shown_as_a_replacement():
    first, *_ = BYTES.encode("水")
    assert BYTES.decode_bytes([first]) == "水".encode()[:1]
    assert BYTES.decode([first]) == "\ufffd"


def test_a_saved_tokenizer_loads_equal_and_still_ignores_special_text(tmp_path):
    BPE.save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    assert loaded.fingerprint == BPE.fingerprint
    assert loaded.encode("x<|pad|>") == BPE.encode("x<|pad|>")


def test_a_vocabulary_too_small_for_bytes_and_a_broken_file_are_errors(tmp_path):
    with pytest.raises(ConfigError, match="vocab_size = 200"):
        train_bpe(TEXTS, 200)
    with pytest.raises(ArtifactError, match="is missing"):
        Tokenizer.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ArtifactError, match="is no tokenizer"):
        Tokenizer.load(tmp_path)
