"""What a loss costs, from books whose runs and scores are made by hand."""

from __future__ import annotations

from datetime import date

import pytest
from rich.console import Console

from farthing.artifacts.entries import ArtifactRef, Evaluation, Member, Plan
from farthing.artifacts.manifest import write_manifest
from farthing.artifacts.scores import KIND, SCORES_NAME, MemberScore, ScoreMatrix
from farthing.artifacts.settings import Price, WorkspaceSettings
from farthing.artifacts.work import Work
from farthing.artifacts.workspace import Workspace
from farthing.errors import UsageError
from farthing.ledger.bill import make_bill
from farthing.ledger.book import Book
from farthing.ledger.journal import SegmentDigests
from farthing.ledger.meter import NO_WORK
from farthing.quantity import Provenance
from farthing.report.facts.frontier import read_frontiers
from farthing.report.to_bpb import cost_to_bpb

SETTINGS = WorkspaceSettings(
    prices={"spot": Price(usd_per_device_hour=0.5, date=date(2026, 1, 31), source="list")}
)
SHAPE = "4L"


class _Workspace:
    """A book and score matrices; hours are of 2 devices at 5 W."""

    def __init__(self, root, meter):
        self.place, self.meter = Workspace(root), meter
        self.book = Book.open(self.place)

    def plan(self, steps, *, name="n", width=8):
        recipe = {"name": name, "model": {"hidden_dim": width}, "train": {"steps": steps}}
        plan = Plan(
            name=name,
            recipe=recipe,
            recipe_digest=name,
            corpus_digest=None,
            members=(Member(shape=SHAPE, share=1.0),),
        )
        return self.book.append(plan).entry.digest

    def train(self, plan, hours, supernet, *, upto, status="completed"):
        run = self.book.start_run("training", "n", input_key=plan, meter=self.meter, plan=plan)
        digests = SegmentDigests(
            loss_sum=1.0, loss_digest="l", batch_digest="b", checkpoint_digest=None
        )
        run._root = lambda entry: self.book.append(entry.model_copy(update={"work": NO_WORK}))
        run.segment(0, upto - 1, 1, digests)
        self._end(run, hours, status, supernet)

    def _end(self, run, hours, status, artifact):
        ref = ArtifactRef(kind="x", digest=artifact) if artifact else None
        run._finish = lambda end: self.book.append(
            end.model_copy(update={"work": _work(hours), "artifact": ref})
        )
        run.end(status, reason=None if status == "completed" else "diverged")

    def score(self, plan, supernet, bpb, *, corpus="c", split="dev"):
        place = self.place.place("scores", supernet, supernet * 10)
        place.mkdir(parents=True)
        member = MemberScore(
            shape=SHAPE,
            label=SHAPE,
            total=1,
            active=1,
            non_embedding=1,
            active_non_embedding=1,
            flops_per_token=1.0,
            bpb={"en": bpb},
            mean_bpb=bpb,
            best_for_flops=True,
            best_for_size=True,
        )
        matrix = ScoreMatrix(
            supernet=supernet,
            corpus=corpus,
            split=split,
            held_out_bytes={"en": 100},
            members=(member,),
        )
        (place / SCORES_NAME).write_text(matrix.model_dump_json())
        made = write_manifest(place, kind=KIND, input_key="", detail={"supernet": supernet})
        run = self.book.start_run("evaluation", "n", input_key="e", meter=self.meter, plan=plan)
        self.book.append(
            Evaluation(
                run=run.number,
                supernet=supernet,
                shape=SHAPE,
                split=split,
                scores={"en": bpb},
                work=NO_WORK,
            )
        )
        self._end(run, 0.0, "completed", made.content_digest)

    def frontiers(self):
        return read_frontiers(
            self.place, make_bill(self.place, SETTINGS).families, self.book.records
        )


def _work(hours):
    return Work(
        wall_seconds=hours * 3600,
        device_seconds=hours * 7200,
        cpu_seconds=hours * 3600,
        tokens=0,
        flops=0.0,
        optimizer_flops=0.0,
        joules=hours * 7200 * 5.0,
        energy_method="tdp_model",
    )


@pytest.fixture
def made(tmp_path, meter):
    return _Workspace(tmp_path / "ws", meter)


@pytest.fixture
def three(made):
    """One model at 100 and 400 steps (1 h, 4 h), and a worse and dearer one (5 h)."""
    for name, steps, hours, bpb, width in (
        ("short", 100, 1, 3.0, 8),
        ("long", 400, 4, 2.0, 8),
        ("wide", 100, 5, 2.6, 16),
    ):
        plan = made.plan(steps, name=name, width=width)
        made.train(plan, hours, f"S{name}", upto=steps)
        made.score(plan, f"S{name}", bpb)
    return made


def test_three_runs_cost_what_they_cost_by_hand(three):
    (frontier,) = three.frontiers().texts
    costs = {cost.unit: cost for cost in frontier.cost_to(2.0)}
    # 4 h x 2 devices x $0.5; 40 Wh.
    assert costs["USD spot"].cost.value == pytest.approx(4.0)
    assert costs["kWh"].cost.value == pytest.approx(0.04)
    assert costs["device-hours"].cost.value == pytest.approx(8.0)
    assert costs["USD spot"].run == "long Slong"
    assert costs["USD spot"].longer_than == "short Sshort"
    assert "USD on_demand" not in costs, "a price nobody set is no cost of zero"


def test_between_two_lengths_of_one_model_the_figure_is_an_estimate(three):
    (frontier,) = three.frontiers().texts
    costs = {cost.unit: cost for cost in frontier.cost_to(2.5)}
    # Half of the way in bpb is half of the way in the logarithm: sqrt(1 x 4) h, x 2 x $0.5.
    assert costs["USD spot"].cost.value == pytest.approx(2.0)
    assert costs["USD spot"].cost.provenance is Provenance.ASSUMED
    # 2 h x 2 devices, half busy: 2 W x 2 h .. 8 W x 4 h, as both ends have it.
    kwh = costs["kWh"].cost
    assert (kwh.low, kwh.value, kwh.high) == (
        pytest.approx(0.004),
        pytest.approx(0.02),
        pytest.approx(0.032),
    )
    assert costs["device-hours"].cost.provenance is Provenance.ESTIMATED


def test_a_worse_and_dearer_run_is_off_the_front(three):
    (frontier,) = three.frontiers().texts
    marks = {point.run: on_front for point, on_front in frontier.runs("USD spot")}
    assert marks == {"long Slong": True, "wide Swide": False, "short Sshort": True}


def test_nothing_is_said_about_a_loss_that_no_run_reached(three):
    (frontier,) = three.frontiers().texts
    assert frontier.cost_to(1.9) == ()
    assert "the best is 2.0000" in _words(cost_to_bpb(three.place, 1.9))


def test_a_loss_above_the_shortest_run_is_a_bound(three):
    (frontier,) = three.frontiers().texts
    cost = frontier.cost_to(3.5)[0]
    assert (cost.cost.value, cost.exact, cost.longer_than) == (pytest.approx(1.0), False, None)
    assert "at most" in _words(cost_to_bpb(three.place, 3.5))


def test_failed_attempts_are_part_of_what_a_loss_cost(made):
    plan = made.plan(100)
    made.train(plan, 3, None, upto=50, status="failed")
    made.train(plan, 1, "S", upto=100)
    made.score(plan, "S", 2.0)
    (frontier,) = made.frontiers().texts
    assert frontier.cost_to(2.0)[0].cost.value == pytest.approx(4.0)


def test_a_point_in_the_middle_of_a_schedule_never_counts(three):
    plan = three.plan(400, name="half", width=32)
    three.train(plan, 0.1, "Shalf", upto=399)
    three.score(plan, "Shalf", 1.0)
    found = three.frontiers()
    assert "step 399 of 400" in " ".join(found.not_counted)
    assert found.texts[0].cost_to(1.5) == ()


def test_a_diverged_run_never_counts_as_reached(three):
    plan = three.plan(400, name="diverged", width=32)
    three.train(plan, 0.1, "Sdiv", upto=400, status="failed")
    # Somebody scored what it left behind, and it looks good.
    three.score(None, "Sdiv", 1.0)
    found = three.frontiers()
    assert found.texts[0].cost_to(1.5) == ()
    assert any(note.startswith("Sdiv: scored, but no run") for note in found.not_counted)


def test_other_text_makes_another_frontier_and_the_test_split_none(three):
    for name, corpus, split in (("other", "c2", "dev"), ("tested", "c", "test")):
        plan = three.plan(100, name=name, width=64)
        three.train(plan, 1, f"S{name}", upto=100)
        three.score(plan, f"S{name}", 1.0, corpus=corpus, split=split)
    found = three.frontiers()
    assert [(text.corpus, len(text.points)) for text in found.texts] == [("c", 3), ("c2", 1)]
    assert found.of("c").cost_to(1.5) == ()
    assert "tested Stested: not scored on dev text" in found.not_counted


def test_a_longer_recipe_with_another_seed_is_another_model(made):
    for steps, seed, bpb in ((100, 0, 3.0), (400, 1, 2.0)):
        plan = made.plan(steps, name=f"seed{seed}", width=seed)
        made.train(plan, steps / 100, f"S{seed}", upto=steps)
        made.score(plan, f"S{seed}", bpb)
    (frontier,) = made.frontiers().texts
    # Nothing lies between them: 2.5 is a bound by the second alone.
    cost = frontier.cost_to(2.5)[0]
    assert (cost.cost.value, cost.exact, cost.longer_than) == (pytest.approx(4.0), False, None)


@pytest.mark.parametrize("bpb", [0.0, -1.0, float("nan"), float("inf")])
def test_a_loss_that_is_none_is_refused(three, bpb):
    with pytest.raises(UsageError, match="no loss"):
        cost_to_bpb(three.place, bpb)


def test_the_json_names_every_text_and_its_costs(three):
    (text,) = cost_to_bpb(three.place, 2.0).to_json()["texts"]
    assert text["best_bpb"] == 2.0
    assert {cost["unit"] for cost in text["costs"]} >= {"kWh", "device-hours"}


def _words(answer):
    console = Console(width=160)
    with console.capture() as capture:
        console.print(answer.tables())
    return " ".join(capture.get().split())
