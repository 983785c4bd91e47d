"""Ask members of one supernet the questions of benchmarks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from farthing.artifacts.benchmarks import (
    BENCHMARKS_NAME,
    KIND,
    Benchmark,
    BenchmarkMatrix,
    MemberBenchmarks,
    Published,
)
from farthing.artifacts.manifest import Manifest, write_manifest
from farthing.artifacts.storage import staged_directory
from farthing.cost.flops import forward_flops
from farthing.model.shape import Shape, distinct_shapes
from farthing.model.supernet import Supernet
from farthing.stages.evaluate.accuracy import score_answers
from farthing.stages.evaluate.benchmark_config import BenchmarkConfig
from farthing.stages.evaluate.likelihood import log_likelihoods
from farthing.stages.evaluate.sources import AskedBenchmark

AnsweredHook = Callable[[Shape, str, int, int], None]
ScoredHook = Callable[[Shape, dict[str, float]], None]


def benchmark(
    config: BenchmarkConfig,
    supernet: Supernet,
    asked: tuple[AskedBenchmark, ...],
    *,
    directory: Path,
    input_key: str,
    on_answered: AnsweredHook,
    on_scored: ScoredHook,
) -> tuple[BenchmarkMatrix, Manifest]:
    """Ask every member every benchmark and write the matrix into `directory`.

    It reads no question itself: what is wrong with a file is found by `read_benchmarks`, before
    the run begins and is paid for.

    Args:
        config: members, and how they are asked.
        supernet: the opened model.
        asked: what `read_benchmarks` found for `config`, this model's tokenizer and context.
        directory: of the new artifact.
        input_key: of the new artifact.
        on_answered: called after each benchmark with the shape, the benchmark's name, and the
            tokens (without padding) and forward FLOPs of answering it.
        on_scored: called after each member with its shape and the accuracy that is quoted, by
            benchmark.

    Raises:
        ShapeError: a member that the supernet does not hold, or one named twice.
        WorkspaceError: the disk refused.
    """
    metrics = {one.definition.name: one.definition.metric for one in asked}
    members = []
    for shape in distinct_shapes(config.members, supernet.model.config):
        member = _ask_all(config, supernet, shape, asked, on_answered)
        members.append(member)
        on_scored(
            shape,
            {name: member.scores[name].headline(metric)[0] for name, metric in metrics.items()},
        )
    matrix = BenchmarkMatrix(
        supernet=supernet.digest,
        benchmarks=tuple(_describe(one) for one in asked),
        members=tuple(members),
    )
    with staged_directory(directory) as staged:
        text = matrix.model_dump_json(indent=1) + "\n"
        (staged / BENCHMARKS_NAME).write_text(text, encoding="utf-8")
        manifest = write_manifest(
            staged,
            kind=KIND,
            input_key=input_key,
            detail={
                "supernet": supernet.digest,
                "files": {one.definition.name: one.file_digest for one in asked},
            },
        )
    return matrix, manifest


def _ask_all(
    config: BenchmarkConfig,
    supernet: Supernet,
    shape: Shape,
    asked: Sequence[AskedBenchmark],
    on_answered: AnsweredHook,
) -> MemberBenchmarks:
    """What one member answers to every benchmark."""
    model = supernet.model
    scores = {}
    for one in asked:
        encoded = one.encoded
        nats = log_likelihoods(model, shape, encoded, batch_rows=config.batch_rows)
        scores[one.definition.name] = score_answers(
            encoded.questions,
            nats,
            normed=one.definition.has_acc_norm,
            metric=one.definition.metric,
        )
        flops = forward_flops(
            model.config,
            model.vocab_size,
            shape,
            tokens=encoded.tokens,
            attended_pairs=encoded.attended_pairs,
        )
        on_answered(shape, one.definition.name, encoded.tokens, flops)
    return MemberBenchmarks(shape=str(shape), label=shape.label(model.config), scores=scores)


def _describe(asked: AskedBenchmark) -> Benchmark:
    definition, questions = asked.definition, asked.encoded.questions
    return Benchmark(
        name=definition.name,
        title=definition.title,
        language=definition.language,
        form=definition.form,
        metric=definition.metric,
        items=len(questions),
        shortened=asked.encoded.shortened,
        chance=math.fsum(1 / question.size for question in questions) / len(questions),
        file=asked.file,
        file_digest=asked.file_digest,
        definition_digest=definition.digest,
        complete=asked.complete,
        source=f"{definition.source}; {asked.asked}",
        licence=definition.licence,
        hub_dataset=definition.hub_dataset,
        published=tuple(
            Published.model_validate(figure.model_dump()) for figure in definition.published
        ),
    )
