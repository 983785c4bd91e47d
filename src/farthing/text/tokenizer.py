"""The tokenizer: byte-level BPE with the qwen2 split, or plain bytes; the same class for both.

Files are Hugging Face `tokenizer.json`. Text is never read for special tokens: whoever writes
"<|endoftext|>" in a document gets the ordinary bytes of those characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors
from tokenizers import Tokenizer as HfTokenizer

from farthing.artifacts.canonical import sha256_hex
from farthing.artifacts.storage import write_atomic
from farthing.errors import ArtifactError, ConfigError
from farthing.kernels.split_counts import PieceCounts, most_frequent
from farthing.text.bpe import (
    BYTE_TO_CHARACTER,
    CHARACTER_TO_BYTE,
    BpeEncoder,
    TokenBatch,
    count_texts,
    flat_texts,
    learn_bpe,
    read_encoder,
)
from farthing.text.special_tokens import END_OF_TEXT as END_OF_TEXT
from farthing.text.special_tokens import MIN_VOCAB_SIZE as MIN_VOCAB_SIZE
from farthing.text.special_tokens import PAD as PAD
from farthing.text.special_tokens import SPECIAL_TOKENS as SPECIAL_TOKENS

FILE_NAME = "tokenizer.json"
# Learning holds about 40 bytes for each byte of the distinct pieces, and those grow with the text,
# most of them occurring once. Some 60 MB of mixed text have this many.
MOST_PIECE_BYTES = 16 << 20

# The split that llama.cpp and transformers know as "qwen2"; an export must carry exactly this one.
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class Tokenizer:
    """Text to token ids and back, byte for byte."""

    def __init__(self, json_text: str) -> None:
        inner = HfTokenizer.from_str(json_text)
        # Not kept in the file: without it, special tokens are found inside ordinary text.
        inner.encode_special_tokens = True
        end_of_text, pad = inner.token_to_id(END_OF_TEXT), inner.token_to_id(PAD)
        if end_of_text is None or pad is None:
            raise ArtifactError(
                f"the tokenizer has no {END_OF_TEXT} or no {PAD} token",
                remedy="use a tokenizer made by `farthing curate`",
            )
        self._inner = inner
        self.json_text = json_text
        self._bytes = _bytes_of_tokens(inner)
        self.vocab_size = len(self._bytes)
        self.end_of_text = end_of_text
        self.pad = pad
        self.fingerprint = sha256_hex(json_text.encode())

    @classmethod
    def load(cls, directory: Path) -> Tokenizer:
        """Read `tokenizer.json` of `directory`.

        Raises:
            ArtifactError: the file is missing or is no tokenizer.
        """
        path = directory / FILE_NAME
        try:
            return cls(path.read_bytes().decode("utf-8"))
        except FileNotFoundError as error:
            raise ArtifactError(
                f"{path} is missing", remedy="restore it, or make the corpus again"
            ) from error
        except ArtifactError:
            raise
        except Exception as error:  # the library raises nothing narrower
            raise ArtifactError(
                f"{path} is no tokenizer: {error}", remedy="restore it, or make the corpus again"
            ) from error

    def save(self, directory: Path) -> None:
        """Write `tokenizer.json` into `directory`."""
        write_atomic(directory / FILE_NAME, self.json_text.encode())

    def export_json(self) -> str:
        """`tokenizer.json` for other tools: it opens each text with `end_of_text` by itself.

        Every document began so in training; here the callers write that token, elsewhere nobody
        would.
        """
        inner = HfTokenizer.from_str(self.json_text)
        inner.post_processor = processors.TemplateProcessing(
            single=f"{END_OF_TEXT} $A",
            pair=f"{END_OF_TEXT} $A $B:1",
            special_tokens=[(END_OF_TEXT, self.end_of_text)],
        )
        return str(inner.to_str(pretty=True)) + "\n"

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text; no special token is added or recognised."""
        batch = self.encode_flat(*flat_texts(texts))
        ids, starts = batch.ids.tolist(), batch.starts.tolist()
        return [ids[starts[d] : starts[d + 1]] for d in range(len(texts))]

    def encode_flat(
        self, data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
    ) -> TokenBatch:
        """Token ids of texts that lie one after another, without a list for each; one thread.

        Args:
            data: uint8, valid UTF-8.
            offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.
        """
        if self._encoder is not None:
            return self._encoder.encode(data, offsets)
        # Another kind of file than we write: the library that defines it, on all cores.
        bounds = offsets.tolist()
        texts = [data[bounds[d] : bounds[d + 1]].tobytes() for d in range(len(bounds) - 1)]
        encodings = self._inner.encode_batch_fast(
            [text.decode() for text in texts], add_special_tokens=False
        )
        starts = np.zeros(len(bounds), dtype=np.int64)
        np.cumsum([len(encoding.ids) for encoding in encodings], out=starts[1:])
        rows = [np.asarray(encoding.ids, dtype=np.int32) for encoding in encodings]
        return TokenBatch(np.concatenate([np.zeros(0, dtype=np.int32), *rows]), starts)

    @cached_property
    def _encoder(self) -> BpeEncoder | None:
        return read_encoder(self.json_text, QWEN2_SPLIT)

    def encode(self, text: str) -> list[int]:
        """Token ids of one text."""
        return self.encode_batch([text])[0]

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The exact bytes of the tokens, which may end inside a UTF-8 character."""
        return b"".join(self._bytes[i] for i in ids)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the tokens; bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")


def bpe_from_counts(counts: PieceCounts, vocab_size: int) -> Tokenizer:
    """A byte-level BPE with the qwen2 split, learned from counted pieces.

    The same counts, in any order, give the same file: the one that Hugging Face's trainer writes
    for the counted text. Where the distinct pieces have more than MOST_PIECE_BYTES, the rarest are
    left out, and the last merges may differ from that. The vocabulary is smaller than `vocab_size`
    where the text has too few distinct pairs.

    Raises:
        ConfigError: `vocab_size` does not hold the bytes and the special tokens.
    """
    if vocab_size < MIN_VOCAB_SIZE:
        raise ConfigError(
            f"vocab_size = {vocab_size} is too small for 256 bytes and {len(SPECIAL_TOKENS)} "
            "special tokens",
            remedy=f"set it to at least {MIN_VOCAB_SIZE}, or choose tokenizer: bytes",
        )
    vocab, merges = learn_bpe(most_frequent(counts, MOST_PIECE_BYTES), SPECIAL_TOKENS, vocab_size)
    inner = _empty(models.BPE(vocab=vocab, merges=merges))
    inner.add_special_tokens(_added_tokens())
    return Tokenizer(inner.to_str(pretty=True) + "\n")


def train_bpe(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """A byte-level BPE with the qwen2 split, learned from `texts`; the same texts, the same file.

    Raises:
        ConfigError: `vocab_size` does not hold the bytes and the special tokens.
    """
    return bpe_from_counts(count_texts(texts), vocab_size)


def byte_vocabulary() -> Tokenizer:
    """One token per byte and the special tokens: no training, no merges."""
    characters = [BYTE_TO_CHARACTER[byte] for byte in range(256)]
    vocab = {text: i for i, text in enumerate([*SPECIAL_TOKENS, *characters])}
    inner = _empty(models.BPE(vocab=vocab, merges=[]))
    inner.add_special_tokens(_added_tokens())
    return Tokenizer(inner.to_str(pretty=True) + "\n")


def _empty(model: models.BPE) -> HfTokenizer:
    inner = HfTokenizer(model)
    split = pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner.pre_tokenizer = pre_tokenizers.Sequence([split, to_bytes])
    inner.decoder = decoders.ByteLevel()
    return inner


def _added_tokens() -> list[AddedToken]:
    return [AddedToken(text, special=True, normalized=False) for text in SPECIAL_TOKENS]


def _bytes_of_tokens(inner: HfTokenizer) -> list[bytes]:
    specials = set(SPECIAL_TOKENS)
    table: list[bytes] = []
    for i in range(inner.get_vocab_size(with_added_tokens=True)):
        token = inner.id_to_token(i)
        assert token is not None, f"the vocabulary has a hole at {i}"
        if token in specials:
            table.append(token.encode())
        else:
            table.append(bytes(CHARACTER_TO_BYTE[character] for character in token))
    return table
