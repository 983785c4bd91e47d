"""The tokenised corpus that `curate` makes and training, evaluation and tuning read.

manifest.json
tokenizer.json
documents.jsonl          provenance: one line per document, in the order of the shards
train/DOMAIN/            token shards (see farthing.text.shards); the same under dev/ and test/
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from farthing.artifacts.manifest import Manifest, read_manifest, verify_files
from farthing.errors import ArtifactError, CorpusError
from farthing.text.shards import TokenShard
from farthing.text.tokenizer import Tokenizer

KIND = "corpus"
DOCUMENTS_NAME = "documents.jsonl"
TOKENIZER_NAME = "tokenizer.json"

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")


class DocumentRecord(BaseModel):
    """One line of `documents.jsonl`: what is known about a document besides its text."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    source: str
    licence: str
    language: str
    domain: str
    work: str
    split: Split
    bytes: int
    tokens: int


@dataclass(frozen=True)
class Corpus:
    """An opened corpus.

    Attributes:
        directory: where it stands.
        manifest: what it says about itself.
        tokenizer: the one its tokens were made with.
        domains: the names of its domains, sorted.
    """

    directory: Path
    manifest: Manifest
    tokenizer: Tokenizer
    domains: tuple[str, ...]

    @classmethod
    def open(cls, directory: Path, *, verify: bool) -> Corpus:
        """Open the corpus in `directory`.

        Args:
            directory: what `curate` wrote.
            verify: compare every file with its digest first (reads everything once).

        Raises:
            ArtifactError: it is missing, unfinished, changed or damaged.
        """
        manifest = read_manifest(directory, kind=KIND)
        if verify:
            verify_files(directory, manifest, required=(DOCUMENTS_NAME, TOKENIZER_NAME))
        tokenizer = Tokenizer.load(directory)
        stated = manifest.detail["tokenizer"]["fingerprint"]
        if tokenizer.fingerprint != stated:
            raise ArtifactError(
                f"{directory}/tokenizer.json has the fingerprint {tokenizer.fingerprint[:16]}..., "
                f"the manifest says {stated[:16]}...",
                remedy="restore the file from a copy, or make the corpus again",
            )
        return cls(directory, manifest, tokenizer, tuple(sorted(manifest.detail["domains"])))

    @property
    def digest(self) -> str:
        """The content digest: equal digests, equal tokens."""
        return self.manifest.content_digest

    @property
    def vocab_size(self) -> int:
        """Token ids run from 0 to one below this."""
        return self.tokenizer.vocab_size

    def shard(self, split: Split, domain: str) -> TokenShard:
        """The tokens of one domain in one split.

        Raises:
            CorpusError: the corpus has no such domain.
            ArtifactError: the shard is damaged.
        """
        self._check_domain(domain)
        return TokenShard.open(self.directory / split / domain)

    def tokens(self, split: Split, domain: str) -> int:
        """Tokens of one domain in one split, `end_of_text` before each document included."""
        self._check_domain(domain)
        return int(self.manifest.detail["splits"][split][domain]["tokens"])

    def bytes(self, split: Split, domain: str) -> int:
        """UTF-8 bytes of the text of one domain in one split: what bits per byte divides by."""
        self._check_domain(domain)
        return int(self.manifest.detail["splits"][split][domain]["bytes"])

    def documents(self, split: Split, domain: str) -> Iterator[DocumentRecord]:
        """Provenance of the documents of one shard, in its order."""
        with (self.directory / DOCUMENTS_NAME).open(encoding="utf-8") as file:
            for line in file:
                record = DocumentRecord.model_validate_json(line)
                if record.split == split and record.domain == domain:
                    yield record

    def _check_domain(self, domain: str) -> None:
        if domain not in self.domains:
            raise CorpusError(
                f"the corpus {self.directory} has no domain {domain!r}",
                remedy=f"its domains are: {', '.join(self.domains)}",
            )
