"""Score members of one supernet on held-out text."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from farthing.artifacts.manifest import Manifest, write_manifest
from farthing.artifacts.scores import KIND, SCORES_NAME, MemberScore, ScoreMatrix, mark_fronts
from farthing.artifacts.storage import staged_directory
from farthing.cost.flops import flops_per_token, forward_flops
from farthing.cost.parameters import count_parameters
from farthing.errors import CorpusError
from farthing.model.shape import Shape, distinct_shapes
from farthing.model.supernet import Supernet
from farthing.stages.evaluate.bits_per_byte import bits_per_byte
from farthing.stages.evaluate.config import EvaluateConfig
from farthing.stages.evaluate.expert_load import VisitCounter
from farthing.text.batches import count_attended_pairs
from farthing.text.corpus import Corpus

ScoredHook = Callable[[Shape, dict[str, float], int, int], None]


def evaluate(
    config: EvaluateConfig,
    supernet: Supernet,
    corpus: Corpus,
    *,
    directory: Path,
    input_key: str,
    on_scored: ScoredHook,
) -> tuple[ScoreMatrix, Manifest]:
    """Score every member and write the matrix into `directory`.

    Args:
        config: members and split.
        supernet: the opened model.
        corpus: whose held-out text is read.
        directory: of the new artifact.
        input_key: of the new artifact.
        on_scored: called after each member with its shape, its scores, and the tokens and
            forward FLOPs of scoring it.

    Raises:
        ShapeError: a member that the supernet does not hold, or one named twice, before anything
            is scored.
        CorpusError: the corpus was tokenised otherwise, or a domain has no held-out text.
    """
    model = supernet.model
    shapes = distinct_shapes(config.members, model.config)
    _check_text(config, supernet, corpus)
    tokens, pairs = amount_of_text(config, supernet, corpus)
    members = []
    counter = VisitCounter(model, max(shapes, key=lambda shape: _size(supernet, shape)))
    for shape in shapes:
        scores = _score(config, supernet, shape, corpus, counter)
        flops = forward_flops(
            model.config, model.vocab_size, shape, tokens=tokens, attended_pairs=pairs
        )
        on_scored(shape, scores, tokens, flops)
        members.append(_describe(supernet, shape, scores))
    matrix = ScoreMatrix(
        supernet=supernet.digest,
        corpus=corpus.digest,
        split=config.split,
        held_out_bytes={d: corpus.bytes(config.split, d) for d in corpus.held_out_domains},
        members=mark_fronts(members),
        expert_load=counter.result(),
    )
    with staged_directory(directory) as staged:
        text = matrix.model_dump_json(indent=1) + "\n"
        (staged / SCORES_NAME).write_text(text, encoding="utf-8")
        manifest = write_manifest(
            staged,
            kind=KIND,
            input_key=input_key,
            detail={"supernet": supernet.digest, "corpus": corpus.digest, "split": config.split},
        )
    return matrix, manifest


def _score(
    config: EvaluateConfig,
    supernet: Supernet,
    shape: Shape,
    corpus: Corpus,
    counter: VisitCounter,
) -> dict[str, float]:
    scores = {}
    for domain in corpus.held_out_domains:
        with counter.counting(domain) if shape == counter.shape else nullcontext():
            scores[domain] = bits_per_byte(
                supernet.model,
                shape,
                corpus.shard(config.split, domain),
                text_bytes=corpus.bytes(config.split, domain),
                batch_sequences=config.batch_sequences,
            )
    return scores


def _size(supernet: Supernet, shape: Shape) -> tuple[int, float]:
    """What the members of a score matrix are sorted by."""
    model = supernet.model
    total = count_parameters(model.config, model.vocab_size, shape).total
    return total, flops_per_token(model.config, model.vocab_size, shape)


def _check_text(config: EvaluateConfig, supernet: Supernet, corpus: Corpus) -> None:
    trained_on = supernet.origin.get("tokenizer")
    if trained_on != corpus.tokenizer.fingerprint:
        raise CorpusError(
            f"corpus {corpus.directory} and model {supernet.directory} use different tokenizers",
            remedy="evaluate on the corpus that the model was trained on",
        )
    for domain in corpus.held_out_domains:
        if not corpus.bytes(config.split, domain):
            raise CorpusError(
                f"corpus {corpus.directory} has no {config.split} text in domain {domain!r}",
                remedy="raise corpus.held_out_share, or add documents to that domain",
            )


def amount_of_text(config: EvaluateConfig, supernet: Supernet, corpus: Corpus) -> tuple[int, int]:
    """Tokens and attended pairs of one pass over the held-out text, windows as scored."""
    context = supernet.model.config.context
    tokens = pairs = 0
    for domain in corpus.held_out_domains:
        stream = corpus.shard(config.split, domain).tokens[:-1]
        tokens += len(stream)
        for start in range(0, len(stream), context):
            window = stream[start : start + context][None].astype("int64")
            pairs += count_attended_pairs(window, supernet.model.end_of_text)
    return tokens, pairs


def _describe(supernet: Supernet, shape: Shape, scores: dict[str, float]) -> MemberScore:
    model = supernet.model
    count = count_parameters(model.config, model.vocab_size, shape)
    return MemberScore(
        shape=str(shape),
        label=shape.label(model.config),
        total=count.total,
        active=count.active,
        non_embedding=count.non_embedding,
        active_non_embedding=count.active_non_embedding,
        flops_per_token=flops_per_token(model.config, model.vocab_size, shape),
        bpb=scores,
        mean_bpb=sum(scores.values()) / len(scores),
        best_for_flops=False,
        best_for_size=False,
    )
