"""What an answer released, opened as what it is: the files of a stranger."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from farthing.artifacts.claims.answer import Answer
from farthing.artifacts.claims.entries import ClaimDraft
from farthing.artifacts.claims.statement import Claim
from farthing.artifacts.claims.strict_json import parse_strict
from farthing.artifacts.config import parse_config
from farthing.artifacts.manifest import MANIFEST_NAME, read_manifest
from farthing.cost.parameters import count_parameters
from farthing.errors import ClaimError, FarthingError
from farthing.flow.config import RunConfig
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape
from farthing.model.supernet import CONFIG_NAME, WEIGHTS_NAME, Supernet, open_supernet
from farthing.stages.train.checkpoint import KIND as CHECKPOINT
from farthing.stages.train.checkpoint import Checkpoint, load_checkpoint
from farthing.stages.train.elastic_fit import balance_pairs
from farthing.stages.train.run import KIND as SUPERNET
from farthing.stages.verify.claim.book import ClaimBook
from farthing.stages.verify.claim.trainings import Training
from farthing.stages.verify.finding import Finding
from farthing.text.corpus import Corpus
from farthing.text.provenance import SPLITS

# Of any JSON beside tensors: the largest is a corpus's manifest.
_MOST_JSON_BYTES = 64 << 20
_MOST_LAYERS, _MOST_CONTEXT, _MOST_STEP_TOKENS = 4096, 1 << 20, 1 << 24
_MOST_THREADS = 1024
# What a run may have chosen where its recipe leaves it open.
_CHOSEN = {"auto": ("fp32", "bf16"), "fp8": ("fp8", "bf16")}
# Of each split and domain of a corpus.
_SHARD_PARTS = ("tokens.bin", "starts.npy", "bytes.npy", "shard.json")
# Of a weight: itself, and up to two numbers of the optimizer. Beside them names and shapes.
_STATES, _BESIDE_BYTES = 3, 16 << 20
_REMEDY = "ask the claimant for the answer again; if it stays so, do not believe the claim"
# What reading a stranger's file may raise where nobody foresaw what stands in it.
_MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, OSError)


@dataclass(frozen=True)
class Released:
    """An answer's files beside what levels 0 and 1 found to be true of the claim.

    Attributes:
        folder: into which the answer's bundle was extracted.
        answer: what it says, its signature and file list checked.
        claim: that it answers for.
        draft: of that claim.
        book: of that claim.
        trainings: as `find_trainings` gives them.
        steps: run -> step -> line of that run's steps file.
        corpus_folder: the answer's, or the verifier's own.
    """

    folder: Path
    answer: Answer
    claim: Claim
    draft: ClaimDraft
    book: ClaimBook
    trainings: tuple[Training, ...]
    steps: Mapping[int, Mapping[int, Mapping[str, Any]]]
    corpus_folder: Path

    @cached_property
    def corpus(self) -> Corpus:
        """The corpus, all its files compared with the digest that the draft committed to.

        Raises:
            FarthingError: it is another, or damaged, or holds tokens that are none.
        """
        _check_json(self.corpus_folder / MANIFEST_NAME)
        found = read_manifest(self.corpus_folder, kind="corpus").content_digest
        if found != self.draft.corpus_digest:
            raise ClaimError(
                f"the corpus {self.corpus_folder} has the digest {found[:16]}, the draft names "
                f"{self.draft.corpus_digest[:16]}",
                remedy="give the corpus of the claim, or ask for an answer that holds it",
            )
        corpus = Corpus.open(self.corpus_folder, verify=True)
        _check_listed(corpus)
        _check_tokens(corpus)
        return corpus

    def recipe(self, training: Training) -> RunConfig:
        """What a training ran with.

        Raises:
            FarthingError: no recipe of this version; sizes that no claim needs.
        """
        plan = training.plan
        if plan.recipe.get("start") is not None:
            raise ClaimError(
                f"{training.name} begins with the weights of an earlier model",
                remedy="an answer does not hold that one: check the claim that it was made under",
            )
        run = parse_config(RunConfig, plan.recipe, where=f"the plan of {training.name}")
        sizes, train = run.model, run.train
        tokens = sizes.context * max(train.batch_sequences, run.evaluate.batch_sequences)
        if (
            sizes.num_layers > _MOST_LAYERS
            or sizes.context > _MOST_CONTEXT
            or tokens > _MOST_STEP_TOKENS
        ):
            raise ClaimError(
                f"{training.name}: {sizes.num_layers} layers, a context of {sizes.context}, or "
                f"steps of {tokens} tokens are more than this check computes",
                remedy="raise the bounds in flow/verification/released.py if you mean to",
            )
        return run

    def sizes(self, run: RunConfig) -> ModelConfig:
        """Of a run's supernet, as it trains it."""
        if pairs := balance_pairs(run.train.elastic, run.model):
            return run.model.model_copy(update={"balance_pairs": pairs})
        return run.model

    def model(self, training: Training) -> Supernet:
        """The model that a training made, on the CPU.

        Raises:
            FarthingError: it was not released, is another than the book's, or is damaged.
        """
        folder = self._below(self.answer.models.get(str(training.attempts[-1].number)))
        run = self.recipe(training)
        sizes = self.sizes(run)
        _check_json(folder / MANIFEST_NAME, folder / CONFIG_NAME, folder / "tokenizer.json")
        found = read_manifest(folder, kind=SUPERNET).content_digest
        if found != training.model:
            raise ClaimError(
                f"the model in {folder.name} has the digest {found[:16]}, the book says "
                f"{str(training.model)[:16]}",
                remedy=_REMEDY,
            )
        config = parse_strict((folder / CONFIG_NAME).read_bytes())
        stated = {name: config.get(name) for name in ("model", "vocab_size", "end_of_text")}
        tokenizer = self.corpus.tokenizer
        wanted = {
            "model": json.loads(sizes.model_dump_json()),
            "vocab_size": self.corpus.vocab_size,
            "end_of_text": tokenizer.end_of_text,
        }
        if stated != wanted or config["origin"]["tokenizer"] != tokenizer.fingerprint:
            raise ClaimError(
                f"the model in {folder.name} has other sizes or another tokenizer than its recipe",
                remedy=_REMEDY,
            )
        _check_size(folder / WEIGHTS_NAME, sizes, self.corpus.vocab_size, copies=1)
        return open_supernet(folder, kind=SUPERNET, device=torch.device("cpu"))

    def checkpoint(self, name: str | None, digest: str | None, training: Training) -> Path:
        """The folder of a checkpoint, its own digests compared with the book's.

        Args:
            name: of the folder in the answer.
            digest: that the book has of it.
            training: whose it is.

        Raises:
            FarthingError: it was not released, is another, or larger than such a state is.
        """
        folder = self._below(name)
        _check_json(folder / MANIFEST_NAME, folder / "progress.json")
        found = read_manifest(folder, kind=CHECKPOINT).content_digest
        if found != digest:
            raise ClaimError(
                f"the checkpoint {name} has the digest {found[:16]}, the book says "
                f"{str(digest)[:16]}",
                remedy=_REMEDY,
            )
        run = self.recipe(training)
        sizes, rows = self.sizes(run), self.corpus.vocab_size
        _check_size(folder / "state.safetensors", sizes, rows, copies=_STATES)
        return folder

    def loaded(self, folder: Path, training: Training) -> Checkpoint:
        """A checkpoint, read; `folder` as `checkpoint` gives it."""
        saved = load_checkpoint(folder, input_key=training.attempts[-1].start.input_key)
        threads = saved.progress.threads
        if threads is not None and not 1 <= threads <= _MOST_THREADS:
            raise ClaimError(f"{folder.name} names {threads} threads", remedy=_REMEDY)
        # A replay takes it from here: what `auto` chose on a machine stands nowhere else.
        wanted, named = self.recipe(training).train.precision, saved.progress.precision
        if named is not None and named not in _CHOSEN.get(wanted, (wanted,)):
            raise ClaimError(
                f"the checkpoint {folder.name} names {named} products, its recipe has {wanted}",
                remedy=_REMEDY,
            )
        return saved

    def routes(self, name: str) -> Path:
        """The file of the expert choices of a segment."""
        return self._below(name)

    def _below(self, name: str | None) -> Path:
        """A file or folder of the answer; names come from a stranger."""
        if name is None:
            raise ClaimError("the answer does not hold it", remedy=_REMEDY)
        path = self.folder / name
        if not path.resolve().is_relative_to(self.folder.resolve()) or not path.exists():
            raise ClaimError(f"the answer holds no {name!r}", remedy=_REMEDY)
        return path


def guarded(
    check: str, where: str, level: int, look: Callable[[], Iterable[Finding]]
) -> list[Finding]:
    """What `look` finds; what goes wrong inside it is a finding too.

    Args:
        check: name of the check.
        where: what is looked at.
        level: of the check.
        look: the check itself.
    """
    found: list[Finding] = []
    try:
        found.extend(look())
    except FarthingError as error:
        found.append(Finding(check, False, where, error.what, level))
    except _MALFORMED as error:
        detail = f"malformed: {type(error).__name__}: {error}"
        found.append(Finding(check, False, where, detail, level))
    except (RuntimeError, MemoryError) as error:
        said = str(error).partition("\n")[0]
        detail = f"it cannot be computed: {said}"
        found.append(Finding(check, False, where, detail, level))
    return found


def _check_json(*paths: Path) -> None:
    for path in paths:
        if path.stat().st_size > _MOST_JSON_BYTES:
            raise ClaimError(f"{path} is {path.stat().st_size:,} bytes long", remedy=_REMEDY)


def _check_size(path: Path, sizes: ModelConfig, rows: int, *, copies: int) -> None:
    """Refuses a file that is larger or smaller than such a state, before it is read."""
    weights = count_parameters(sizes, rows, Shape.full(sizes)).total
    size, bytes_ = path.stat().st_size, 4 * weights
    if not bytes_ <= size <= copies * bytes_ + _BESIDE_BYTES:
        raise ClaimError(
            f"{path.name} is {size:,} bytes long; {weights:,} weights take {bytes_:,} to "
            f"{copies * bytes_ + _BESIDE_BYTES:,}",
            remedy=_REMEDY,
        )


def _check_listed(corpus: Corpus) -> None:
    """Text that the manifest does not list has no digest: it could be chosen after the nonce.

    A listed name stays inside of the folder, so this also refuses domains whose names lead out.
    """
    for split in SPLITS:
        for domain in corpus.domains if split == "train" else corpus.held_out_domains:
            for part in _SHARD_PARTS:
                if f"{split}/{domain}/{part}" not in corpus.manifest.files:
                    raise ClaimError(
                        f"the corpus does not list {split}/{domain}/{part}: nothing says which "
                        "text that is",
                        remedy=_REMEDY,
                    )


def _check_tokens(corpus: Corpus) -> None:
    """Kernels look tokens up without asking whether there is such a row."""
    for split in SPLITS:
        names = corpus.domains if split == "train" else corpus.held_out_domains
        for domain in names:
            tokens = corpus.shard(split, domain).tokens
            if len(tokens) and int(np.max(tokens)) >= corpus.vocab_size:
                raise ClaimError(
                    f"{split}/{domain} holds the token {int(np.max(tokens))}, the tokenizer has "
                    f"{corpus.vocab_size}",
                    remedy=_REMEDY,
                )
