"""Several evaluations of one family, put together without mixing what cannot be compared."""

from __future__ import annotations

from farthing.artifacts.benchmarks import (
    BENCHMARKS_NAME,
    Benchmark,
    BenchmarkMatrix,
    BenchmarkScore,
    MemberBenchmarks,
)
from farthing.artifacts.family import benchmarks_of, scores_of
from farthing.artifacts.manifest import write_manifest
from farthing.artifacts.scores import SCORES_NAME, MemberScore, ScoreMatrix
from farthing.artifacts.workspace import Workspace


def score(shape: str, total: int, bpb: float) -> MemberScore:
    return MemberScore(
        shape=shape,
        label=shape,
        total=total,
        active=total,
        non_embedding=total,
        active_non_embedding=total,
        flops_per_token=float(total),
        bpb={"en": bpb},
        mean_bpb=bpb,
        best_for_flops=True,
        best_for_size=True,
    )


def save_scores(workspace: Workspace, name: str, *members: MemberScore, **changes) -> None:
    values = {"supernet": "s", "corpus": "c", "split": "dev"} | changes
    matrix = ScoreMatrix(**values, held_out_bytes={"en": 9}, members=members, expert_load=None)
    place = workspace.root / "scores" / name
    place.mkdir(parents=True)
    (place / SCORES_NAME).write_text(matrix.model_dump_json())
    write_manifest(place, kind="scores", input_key="k", detail={"supernet": values["supernet"]})


def save_answers(
    workspace: Workspace, name: str, items: int, right: dict[str, float], digest: str = "f"
) -> None:
    benchmark = Benchmark(
        name="pairs",
        title="Pairs",
        language="en",
        form="minimal_pairs",
        metric="acc",
        items=items,
        shortened=0,
        chance=0.5,
        file="pairs.jsonl",
        file_digest=digest,
        source="s",
        licence="l",
        hub_dataset=None,
        published=(),
    )
    members = tuple(
        MemberBenchmarks(
            shape=shape,
            label=shape,
            scores={
                "pairs": BenchmarkScore(
                    acc=acc, acc_stderr=0.1, acc_norm=None, acc_norm_stderr=None, ties=0, groups={}
                )
            },
        )
        for shape, acc in right.items()
    )
    matrix = BenchmarkMatrix(supernet="s", benchmarks=(benchmark,), members=members)
    place = workspace.root / "benchmarks" / name
    place.mkdir(parents=True)
    (place / BENCHMARKS_NAME).write_text(matrix.model_dump_json())
    write_manifest(place, kind="benchmarks", input_key="k", detail={"supernet": "s"})


def test_members_scored_in_two_evaluations_share_one_table_and_one_front(workspace):
    save_scores(workspace, "a", score("big", 9, 2.0), score("small", 3, 3.0))
    save_scores(workspace, "b", score("better", 3, 2.5))
    found = scores_of(workspace, "s")
    assert [member.shape for member in found.members] == ["big", "small", "better"]
    assert [member.best_for_size for member in found.members] == [True, False, True]


def test_other_texts_splits_and_families_stay_out(workspace):
    save_scores(workspace, "a", score("big", 9, 2.0), score("small", 3, 3.0))
    save_scores(workspace, "b", score("other text", 5, 1.0), corpus="d")
    save_scores(workspace, "c", score("other family", 5, 1.0), supernet="t")
    save_scores(workspace, "d", score("tested", 5, 1.0), split="test")
    assert [member.shape for member in scores_of(workspace, "s").members] == ["big", "small"]
    assert [member.shape for member in scores_of(workspace, "s", "test").members] == ["tested"]
    assert scores_of(workspace, "nobody") is None


def test_of_a_benchmark_in_two_versions_the_one_with_more_questions_counts(workspace):
    save_answers(workspace, "sample", 400, {"big": 0.6, "small": 0.55}, digest="sample")
    save_answers(workspace, "all", 67_000, {"big": 0.58})
    found = benchmarks_of(workspace, "s")
    assert [benchmark.items for benchmark in found.benchmarks] == [67_000]
    assert {m.shape: m.scores["pairs"].acc for m in found.members} == {"big": 0.58}
    # A member that only answered the sample still has that on its own card.
    alone = benchmarks_of(workspace, "s", "small")
    assert [benchmark.items for benchmark in alone.benchmarks] == [400]
    assert benchmarks_of(workspace, "s", "unknown") is None


def test_a_limit_makes_another_version_of_the_same_file(workspace):
    save_answers(workspace, "few", 20, {"small": 0.5})
    save_answers(workspace, "many", 200, {"big": 0.7})
    assert [member.shape for member in benchmarks_of(workspace, "s").members] == ["big"]
