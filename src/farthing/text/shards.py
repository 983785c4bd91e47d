"""Token shards: one flat memory-mapped array and an index of its documents.

    shard.json   token type, counts
    tokens.bin   every document as [end_of_text, *tokens], little-endian uint16 or uint32
    starts.npy   int64 (documents + 1): where each document starts, and the end of the last
    bytes.npy    int64 (documents): UTF-8 bytes of each document's text

`end_of_text` stands before each document: it opens this one and is the last target of the one
before it. Digests are in the manifest of the artifact that holds the shard.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from farthing.artifacts.storage import write_atomic
from farthing.errors import ArtifactError

_REMEDY = "restore the corpus from a copy, or remove its folder to make it again"
_COPIED_TOKENS = 1 << 20
_TYPES: dict[str, np.dtype[Any]] = {"uint16": np.dtype("<u2"), "uint32": np.dtype("<u4")}


@dataclass(frozen=True)
class TokenShard:
    """The tokens of one domain in one split.

    Attributes:
        tokens: uint16 or uint32, memory-mapped, read-only.
        starts: int64 (documents + 1); document d is `tokens[starts[d]:starts[d + 1]]`.
        byte_counts: int64 (documents): UTF-8 bytes of each document.
    """

    tokens: npt.NDArray[Any]
    starts: npt.NDArray[np.int64]
    byte_counts: npt.NDArray[np.int64]

    @classmethod
    def open(cls, directory: Path) -> TokenShard:
        """Map the shard in `directory`; only the index is read.

        Raises:
            ArtifactError: a file is missing, cut, or does not fit the others.
        """
        try:
            header = json.loads((directory / "shard.json").read_bytes())
            tokens = _map_tokens(directory / "tokens.bin", _TYPES[header["dtype"]])
            starts = np.load(directory / "starts.npy", allow_pickle=False)
            byte_counts = np.load(directory / "bytes.npy", allow_pickle=False)
            expected = (int(header["documents"]), int(header["tokens"]))
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise ArtifactError(
                f"the token shard {directory} cannot be read: {error}", remedy=_REMEDY
            ) from error
        problem = _inconsistency(tokens, starts, byte_counts, expected)
        if problem is not None:
            raise ArtifactError(
                f"the token shard {directory} is damaged: {problem}", remedy=_REMEDY
            )
        return cls(tokens=tokens, starts=starts, byte_counts=byte_counts)

    @property
    def num_documents(self) -> int:
        """How many documents the shard holds."""
        return len(self.byte_counts)

    def document_at(self, position: int) -> int:
        """The number of the document that holds the token at `position`."""
        return int(np.searchsorted(self.starts, position, side="right")) - 1


class ShardWriter:
    """Writes one shard document by document; a context manager."""

    def __init__(self, directory: Path, *, end_of_text: int, vocab_size: int) -> None:
        """Start a shard in `directory`, which is made if it is not there.

        Args:
            directory: where its files go.
            end_of_text: the token put before every document.
            vocab_size: decides the type: uint16 up to 65536, uint32 beyond.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._end_of_text = end_of_text
        self._vocab_size = vocab_size
        self._type_name = "uint16" if vocab_size <= 1 << 16 else "uint32"
        self._starts = [0]
        self._byte_counts: list[int] = []
        self._file = (directory / "tokens.bin").open("wb")

    def add(self, tokens: Sequence[int], byte_count: int) -> None:
        """Append a document: its tokens without `end_of_text`, and the bytes of its text."""
        row = np.asarray([self._end_of_text, *tokens], dtype=np.int64)
        assert row.min() >= 0, "a negative token"
        assert row.max() < self._vocab_size, "a token outside the vocabulary"
        self._file.write(row.astype(_TYPES[self._type_name]).tobytes())
        self._starts.append(self._starts[-1] + len(row))
        self._byte_counts.append(byte_count)

    def add_flat(
        self,
        ids: npt.NDArray[np.int32],
        starts: npt.NDArray[np.int64],
        byte_counts: npt.NDArray[np.int64],
    ) -> None:
        """Append documents that lie one after another, without a list for each.

        Args:
            ids: int32 (tokens), without `end_of_text`.
            starts: int64 (documents + 1); document d is `ids[starts[d]:starts[d + 1]]`.
            byte_counts: int64 (documents), of their texts.
        """
        documents = len(byte_counts)
        tokens = ids[starts[0] : starts[-1]]
        assert len(tokens) == 0 or (tokens.min() >= 0 and tokens.max() < self._vocab_size)
        opens = starts[:-1] - starts[0] + np.arange(documents)
        row = np.empty(len(tokens) + documents, dtype=_TYPES[self._type_name])
        inside = np.ones(len(row), dtype=np.bool_)
        inside[opens] = False
        row[opens] = self._end_of_text
        row[inside] = tokens
        self._file.write(row.tobytes())
        ends = np.diff(starts) + 1
        self._starts.extend((self._starts[-1] + np.cumsum(ends)).tolist())
        self._byte_counts.extend(byte_counts.tolist())

    def append(self, shard: TokenShard) -> str:
        """Append all documents of another shard of the same vocabulary.

        Returns:
            The SHA-256 of the bytes of its tokens.
        """
        assert shard.tokens.dtype == _TYPES[self._type_name]
        state = hashlib.sha256()
        for at in range(0, len(shard.tokens), _COPIED_TOKENS):
            data = shard.tokens[at : at + _COPIED_TOKENS].tobytes()
            state.update(data)
            self._file.write(data)
        self._starts.extend((self._starts[-1] + shard.starts[1:]).tolist())
        self._byte_counts.extend(shard.byte_counts.tolist())
        return state.hexdigest()

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is not None:
            return
        np.save(self._directory / "starts.npy", np.asarray(self._starts, dtype="<i8"))
        np.save(self._directory / "bytes.npy", np.asarray(self._byte_counts, dtype="<i8"))
        header = {
            "documents": len(self._byte_counts),
            "dtype": self._type_name,
            "tokens": self._starts[-1],
        }
        # Last, so that a shard without its header is unfinished.
        write_atomic(self._directory / "shard.json", (json.dumps(header) + "\n").encode())


def write_shard(
    directory: Path,
    documents_tokens: Iterable[tuple[Sequence[int], int]],
    *,
    end_of_text: int,
    vocab_size: int,
) -> None:
    """Write a whole shard: for each document its tokens and the UTF-8 bytes of its text."""
    with ShardWriter(directory, end_of_text=end_of_text, vocab_size=vocab_size) as writer:
        for tokens, byte_count in documents_tokens:
            writer.add(tokens, byte_count)


def _map_tokens(path: Path, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if path.stat().st_size == 0:  # an empty file cannot be mapped
        return np.zeros(0, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r")


def _inconsistency(
    tokens: npt.NDArray[Any],
    starts: npt.NDArray[np.int64],
    byte_counts: npt.NDArray[np.int64],
    expected: tuple[int, int],
) -> str | None:
    documents, count = expected
    if len(tokens) != count:
        return f"tokens.bin holds {len(tokens)} tokens, shard.json says {count}"
    if starts.shape != (documents + 1,) or byte_counts.shape != (documents,):
        return f"the index is for {len(byte_counts)} documents, shard.json says {documents}"
    if starts.dtype != np.int64 or byte_counts.dtype != np.int64:
        return f"the index holds {starts.dtype} and {byte_counts.dtype}, not int64"
    if starts[0] != 0 or starts[-1] != count or bool(np.any(np.diff(starts) < 1)):
        return "starts.npy does not cut tokens.bin into documents"
    return None
