"""Several evaluations of one family, put together without mixing what cannot be compared."""

from __future__ import annotations

import pytest

from farthing.artifacts.benchmarks import (
    BENCHMARKS_NAME,
    Benchmark,
    BenchmarkMatrix,
    BenchmarkScore,
    MemberBenchmarks,
)
from farthing.artifacts.family import benchmarks_of, scores_of
from farthing.artifacts.manifest import read_manifest, write_manifest
from farthing.artifacts.scores import SCORES_NAME, MemberScore, ScoreMatrix


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


@pytest.fixture
def enter(book, workspace, meter):
    """Enter an artifact's folder into the book as what a run made."""

    def enter(place, kind: str) -> None:
        manifest = read_manifest(place, kind=kind)
        with book.start_run(
            "evaluation",
            "n",
            input_key="k",
            meter=meter,
            torch_version="t",
            threads=1,
            directory=workspace.root / "lock",
        ) as run:
            run.end(artifact_kind=kind, artifact_digest=manifest.content_digest)

    return enter


@pytest.fixture
def save_scores(workspace, enter):
    def save(name: str, *members: MemberScore, booked: bool = True, **changes) -> None:
        values = {"supernet": "s", "corpus": "c", "split": "dev"} | changes
        matrix = ScoreMatrix(**values, held_out_bytes={"en": 9}, members=members)
        place = workspace.root / "scores" / name
        place.mkdir(parents=True)
        (place / SCORES_NAME).write_text(matrix.model_dump_json())
        detail = {"supernet": values["supernet"]}
        write_manifest(place, kind="scores", input_key="k", detail=detail)
        if booked:
            enter(place, "scores")

    return save


@pytest.fixture
def save_answers(workspace, enter):
    def save(name: str, items: int, right: dict[str, float], **changes) -> None:
        matrix = answers(items, right, **changes)
        place = workspace.root / "benchmarks" / name
        place.mkdir(parents=True)
        (place / BENCHMARKS_NAME).write_text(matrix.model_dump_json())
        write_manifest(place, kind="benchmarks", input_key="k", detail={"supernet": "s"})
        enter(place, "benchmarks")

    return save


def answers(items: int, right: dict[str, float], **changes) -> BenchmarkMatrix:
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
        source="s",
        licence="l",
        hub_dataset=None,
        complete=False,
        published=(),
        **({"file_digest": "f", "definition_digest": "d"} | changes),
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
    return BenchmarkMatrix(supernet="s", benchmarks=(benchmark,), members=members)


def test_members_scored_in_two_evaluations_share_one_table_and_one_front(workspace, save_scores):
    save_scores("a", score("big", 9, 2.0), score("small", 3, 3.0))
    save_scores("b", score("better", 3, 2.5))
    found = scores_of(workspace, "s")
    assert [member.shape for member in found.members] == ["big", "small", "better"]
    assert [member.best_for_size for member in found.members] == [True, False, True]


def test_other_texts_splits_and_families_stay_out(workspace, save_scores):
    save_scores("a", score("big", 9, 2.0), score("small", 3, 3.0))
    save_scores("b", score("other text", 5, 1.0), corpus="d")
    save_scores("c", score("other family", 5, 1.0), supernet="t")
    save_scores("d", score("tested", 5, 1.0), split="test")
    assert [member.shape for member in scores_of(workspace, "s").members] == ["big", "small"]
    assert [member.shape for member in scores_of(workspace, "s", "test").members] == ["tested"]
    assert scores_of(workspace, "nobody") is None


def test_of_a_benchmark_in_two_versions_the_one_with_more_questions_counts(workspace, save_answers):
    save_answers("sample", 400, {"big": 0.6, "small": 0.55}, file_digest="sample")
    save_answers("all", 67_000, {"big": 0.58})
    found = benchmarks_of(workspace, "s")
    assert [benchmark.items for benchmark in found.benchmarks] == [67_000]
    assert {m.shape: m.scores["pairs"].acc for m in found.members} == {"big": 0.58}
    # A member that only answered the sample still has that on its own card.
    alone = benchmarks_of(workspace, "s", "small")
    assert [benchmark.items for benchmark in alone.benchmarks] == [400]
    assert benchmarks_of(workspace, "s", "unknown") is None


def test_a_limit_makes_another_version_of_the_same_file(workspace, save_answers):
    save_answers("few", 20, {"small": 0.5})
    save_answers("many", 200, {"big": 0.7})
    assert [member.shape for member in benchmarks_of(workspace, "s").members] == ["big"]


def test_the_same_questions_in_another_prompt_are_other_questions(workspace, save_answers):
    save_answers("plain", 20, {"small": 0.5})
    save_answers("prompted", 20, {"big": 0.7}, definition_digest="other")
    assert [member.shape for member in benchmarks_of(workspace, "s").members] == ["big"]


def test_of_two_evaluations_of_one_member_the_later_one_holds(workspace, save_scores):
    # Folder names say nothing about time.
    save_scores("zzz", score("big", 9, 2.0), score("small", 3, 3.0))
    save_scores("aaa", score("big", 9, 2.25))
    assert [member.mean_bpb for member in scores_of(workspace, "s").members] == [2.25, 3.0]
    save_scores("zzz-again1", score("big", 9, 2.5), score("small", 3, 3.5))
    assert [member.mean_bpb for member in scores_of(workspace, "s").members] == [2.5, 3.5]


def test_what_no_run_has_entered_and_what_is_half_written_does_not_count(workspace, save_scores):
    save_scores("a", score("big", 9, 2.0))
    save_scores("b", score("unbilled", 3, 1.0), booked=False)
    save_scores(".c.partial-77", score("half", 3, 1.0))
    assert [member.shape for member in scores_of(workspace, "s").members] == ["big"]
