"""The tokenised corpus that `curate` makes and training, evaluation and tuning read.

manifest.json
tokenizer.json
documents.parquet        provenance: one row per document, in the order of the shards
sources.parquet          the files that were read (see farthing.text.provenance)
pieces.jsonl             what each part was made from, as a chain (see farthing.text.chain)
train/DOMAIN/            token shards (see farthing.text.shards); the same under dev/ and test/.
                         Of a domain that is divided by quality: train/DOMAIN.1/ and so on
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.curation import Mixture
from farthing.artifacts.manifest import Manifest, read_manifest, verify_files
from farthing.errors import ArtifactError, CorpusError
from farthing.text.chain import PIECES_NAME, PieceLink, verify_chain
from farthing.text.provenance import (
    DOCUMENTS_NAME,
    SOURCES_NAME,
    SPLITS,
    DocumentRecord,
    Split,
    document_batches,
    records_of,
)
from farthing.text.shards import TokenShard
from farthing.text.streams import spread
from farthing.text.tokenizer import Tokenizer

KIND = "corpus"
TOKENIZER_NAME = "tokenizer.json"
_REQUIRED = (DOCUMENTS_NAME, SOURCES_NAME, PIECES_NAME, TOKENIZER_NAME)

__all__ = [
    "DOCUMENTS_NAME",
    "KIND",
    "SPLITS",
    "TOKENIZER_NAME",
    "Corpus",
    "DocumentRecord",
    "Split",
]


@dataclass(frozen=True)
class Corpus:
    """An opened corpus.

    Attributes:
        directory: where it stands.
        manifest: what it says about itself.
        tokenizer: the one its tokens were made with.
        domains: the names of its domains, and of the streams that some are divided into, sorted.
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
            verify_files(directory, manifest, required=_REQUIRED)
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
    def text_digest(self) -> str:
        """Of the tokenizer and the tokens alone: equal ones train and score alike.

        What is written down beside them, such as where documents came from, has no part in it.
        """
        decide = (TOKENIZER_NAME, *(f"{split}/" for split in SPLITS))
        files = self.manifest.files.items()
        return digest_json({name: digest for name, digest in files if name.startswith(decide)})

    @property
    def held_out_domains(self) -> tuple[str, ...]:
        """The domains that are scored; others have training text alone, such as streams."""
        return tuple(self.manifest.detail.get("held_out_domains", self.domains))

    @property
    def streams(self) -> dict[str, str]:
        """Parts of the training text by quality -> the domain of each; empty where none is divided.

        They are among `domains`; a divided domain itself has held-out text alone.
        """
        stated = self.manifest.detail.get("streams", {})
        return {name: str(part["domain"]) for name, part in stated.items()}

    def spread(self, weights: Mapping[str, float]) -> dict[str, float]:
        """Weights of a mixture by stream, where `weights` may name a divided domain as a whole.

        Raises:
            ConfigError: a domain and a stream of it are both named.
        """
        streams = self.streams
        return spread(weights, streams, {name: self.tokens("train", name) for name in streams})

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
        for batch in document_batches(self.directory):
            yield from records_of(_rows(batch, split=split, domain=domain))

    @property
    def mixture(self) -> Mixture | None:
        """How curation says that training should draw from the domains; None where it does not."""
        stated = self.manifest.detail.get("mixture")
        return None if stated is None else Mixture.model_validate_json(json.dumps(stated))

    def verify_pieces(self) -> tuple[PieceLink, ...]:
        """Check the chain of pieces and every token against it (reads all shards once).

        Raises:
            ArtifactError: naming the first link that is broken.
        """
        return verify_chain(self.directory, str(self.manifest.detail["pieces"]["head"]))

    def _check_domain(self, domain: str) -> None:
        if domain not in self.domains:
            raise CorpusError(
                f"the corpus {self.directory} has no domain {domain!r}",
                remedy=f"its domains are: {', '.join(self.domains)}",
            )


def _rows(batch: pa.RecordBatch, *, split: Split, domain: str) -> pa.RecordBatch:
    wanted = pc.and_(pc.equal(batch["split"], split), pc.equal(batch["domain"], domain))
    return batch.filter(wanted)
