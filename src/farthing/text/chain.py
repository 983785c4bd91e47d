"""The chain of pieces: what each part of a corpus was made from, line by line.

    pieces.jsonl   one line a piece of work, in the order of the shards

Each line carries the digest of the line before it, digests of what went in, and a digest of every
stretch of tokens that came out. The digest of the last line, the head, stands in the manifest: no
line can be changed, taken out or moved without the next one, or the head, saying so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from farthing.artifacts.canonical import canonical_json, sha256_hex
from farthing.errors import ArtifactError
from farthing.text.shards import TokenShard

PIECES_NAME = "pieces.jsonl"
# What the first line carries in place of a digest.
GENESIS = "0" * 64

_REMEDY = "restore the corpus from a copy, or remove its folder to make it again"
_HASHED_TOKENS = 1 << 20


class Stretch(BaseModel):
    """What a piece added to one shard.

    Attributes:
        documents: how many.
        tokens: how many, each document's `end_of_text` included.
        sha256: of the tokens' bytes, as they stand in `tokens.bin`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    documents: int
    tokens: int
    sha256: str


class PieceLink(BaseModel):
    """One line of `pieces.jsonl`.

    Attributes:
        number: of the piece, from 0.
        inputs: name of what was read -> its SHA-256.
        outputs: SPLIT/DOMAIN -> what it added there.
        previous: SHA-256 of the line before, without its newline; GENESIS on the first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    inputs: dict[str, str]
    outputs: dict[str, Stretch]
    previous: str


class ChainWriter:
    """Writes `pieces.jsonl`; a context manager whose `head` goes into the manifest."""

    def __init__(self, directory: Path) -> None:
        self._file = (directory / PIECES_NAME).open("wb")
        self._number = 0
        self.head = GENESIS

    def add(self, inputs: Mapping[str, str], outputs: Mapping[str, Stretch]) -> None:
        """Append the next piece."""
        link = PieceLink(
            number=self._number, inputs=dict(inputs), outputs=dict(outputs), previous=self.head
        )
        line = canonical_json(link.model_dump())
        self._file.write(line + b"\n")
        self.head = sha256_hex(line)
        self._number += 1

    def __enter__(self) -> ChainWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def verify_chain(directory: Path, head: str) -> tuple[PieceLink, ...]:
    """Check every link of the chain, and every stretch of tokens against the shards.

    Args:
        directory: of a corpus.
        head: as its manifest has it.

    Returns:
        The links.

    Raises:
        ArtifactError: naming the first link that is broken.
    """
    links: list[PieceLink] = []
    previous = GENESIS
    begins: dict[str, int] = {}
    shards: dict[str, TokenShard] = {}
    for number, line in enumerate(_lines(directory)):
        link = _read_link(line, number)
        if link.number != number or link.previous != previous:
            raise _broken(number, "it does not follow the line before it")
        for name, stretch in link.outputs.items():
            if name not in shards:
                shards[name] = TokenShard.open(directory / name)
            begin = begins.get(name, 0)
            if _digest_tokens(shards[name], begin, stretch.tokens) != stretch.sha256:
                raise _broken(number, f"the tokens that it added to {name} have changed")
            begins[name] = begin + stretch.tokens
        previous = sha256_hex(line)
        links.append(link)
    if previous != head:
        raise _broken(max(len(links) - 1, 0), "the manifest has another head: the end is missing")
    for name, shard in shards.items():
        if begins[name] != len(shard.tokens):
            raise _broken(len(links) - 1, f"{name} holds tokens that no piece added")
    return tuple(links)


def _lines(directory: Path) -> list[bytes]:
    try:
        return (directory / PIECES_NAME).read_bytes().splitlines()
    except OSError as error:
        raise ArtifactError(
            f"{directory / PIECES_NAME} cannot be read: {error}", remedy=_REMEDY
        ) from error


def _read_link(line: bytes, number: int) -> PieceLink:
    try:
        return PieceLink.model_validate_json(line)
    except ValidationError as error:
        raise _broken(number, f"it cannot be read: {error.errors()[0]['msg']}") from error


def _digest_tokens(shard: TokenShard, begin: int, count: int) -> str:
    state = hashlib.sha256()
    for at in range(begin, begin + count, _HASHED_TOKENS):
        state.update(shard.tokens[at : min(at + _HASHED_TOKENS, begin + count)].tobytes())
    return state.hexdigest()


def _broken(number: int, why: str) -> ArtifactError:
    return ArtifactError(f"{PIECES_NAME}: link {number} is broken: {why}", remedy=_REMEDY)
