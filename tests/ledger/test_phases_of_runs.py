"""What a run did, phase by phase: by hand from what its clock showed, and never twice."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from farthing.artifacts.entries import RunEnd
from farthing.artifacts.expense import Reading
from farthing.artifacts.phase import PhaseWork
from farthing.artifacts.settings import WorkspaceSettings
from farthing.artifacts.work import EnergyPart, Work, joules_of, method_of
from farthing.errors import WorkspaceError
from farthing.ledger.accounts import collect_runs
from farthing.ledger.bill import make_bill
from farthing.ledger.bill_text import print_bill
from farthing.ledger.book import Book
from farthing.ledger.journal import SegmentDigests
from farthing.ledger.meter import NO_WORK, Meter
from farthing.ledger.phases import PhaseSums, phase_of
from farthing.ledger.rates import make_pricing
from farthing.quantity import Provenance

SETTINGS = WorkspaceSettings()
DIGESTS = SegmentDigests(0.0, "0" * 64, "0" * 64, None)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def timed(machine, clock):
    """A meter on that clock: two devices at 5 W."""
    return Meter(machine, from_process_start=False, clock=clock)


def _train(run, clock):
    """Each phase lasts another power of two, so that every sum of them tells which they are."""
    clock.now += 1
    run.enter("compile")
    clock.now += 2
    run.enter("train")
    for step in (0, 1):
        clock.now += 2
        run.beat("train", step, tokens=10, flops=5.0)
    run.enter("checkpoint")
    clock.now += 8
    run.segment(0, 1, 20, DIGESTS)
    clock.now += 16
    run.beat("train", 2, tokens=10)
    run.enter("wind-down")
    clock.now += 32


def _told(bill):
    """Seconds of each phase of the first run; those that took processor time alone left out."""
    seconds = {
        line.phase: line.figures.wall_hours.value * 3600
        for line in bill.phases.lines
        if line.run == 0
    }
    return {phase: each for phase, each in seconds.items() if each}


TRAINED = {"start-up": 1, "compile": 2, "training": 4 + 16, "checkpointing": 8, "wind-down": 32}


def test_a_runs_phases_are_what_its_clock_showed_and_add_up_to_it(book, timed, clock, workspace):
    with book.start_run("training", "n", input_key="k", meter=timed) as run:
        _train(run, clock)
        run.end()
    bill = make_bill(workspace, SETTINGS)
    assert _told(bill) == pytest.approx(TRAINED)
    (line,) = bill.lines
    for name in ("wall_hours", "device_hours", "cpu_hours", "tokens", "flops", "kwh"):
        parts = [getattr(each.figures, name).value for each in bill.phases.lines]
        assert sum(parts) == pytest.approx(getattr(line.figures, name).value, rel=1e-12), name
    # Two devices at 5 W.
    assert bill.phases.sums()["checkpointing"].kwh.value == pytest.approx(8 * 10 / 3.6e6)
    assert bill.phases.sums()["training"].tokens.value == 30


def test_a_killed_run_has_phases_up_to_its_last_heartbeat(book, timed, clock, workspace):
    run = book.start_run("training", "n", input_key="k", meter=timed)
    _train(run, clock)
    # What the kernel does when the process dies; nobody wrote the 32 s of its end.
    run._journal.close()
    timed.release()
    expected = {name: seconds for name, seconds in TRAINED.items() if name != "wind-down"}
    assert _told(make_bill(workspace, SETTINGS)) == pytest.approx(expected)
    end = Book.open(workspace).records[-1].body
    assert (end.status, sum(each.work.wall_seconds for each in end.phases)) == ("aborted", 31)
    assert _told(make_bill(workspace, SETTINGS)) == pytest.approx(expected)


def test_what_a_failed_run_did_last_is_what_it_failed_at(book, timed, clock, workspace):
    def fail():
        with book.start_run("training", "n", input_key="k", meter=timed) as run:
            run.enter("train")
            clock.now += 4
            run.enter("checkpoint")
            clock.now += 8
            raise WorkspaceError("the disk is full", remedy="make room")

    with pytest.raises(WorkspaceError):
        fail()
    assert _told(make_bill(workspace, SETTINGS)) == {"training": 4, "checkpointing": 8}


@pytest.mark.parametrize(
    ("purpose", "phase"),
    [("evaluation", "evaluation"), ("curation", "curation"), ("tuning", "start-up")],
)
def test_a_run_without_heartbeats_did_what_it_was_for(
    book, timed, clock, workspace, purpose, phase
):
    with book.start_run(purpose, "n", input_key="k", meter=timed) as run:
        clock.now += 3
        run.end()
    assert _told(make_bill(workspace, SETTINGS)) == {phase: 3}


def test_heartbeats_that_share_a_line_stay_in_the_phase_in_which_they_were(
    book, timed, clock, workspace, monkeypatch
):
    monkeypatch.setattr("farthing.ledger.journal._WRITING_SECONDS", 0.0)
    monkeypatch.setattr("farthing.ledger.journal._WRITING_SHARE", 0.0)
    with book.start_run("training", "n", input_key="k", meter=timed) as run:
        _train(run, clock)
        run.end()
    assert _told(make_bill(workspace, SETTINGS)) == pytest.approx(TRAINED)


def test_a_run_that_lost_its_journal_is_not_told_apart(book, timed, clock, workspace):
    run = book.start_run("training", "n", input_key="k", meter=timed)
    _train(run, clock)
    run._journal.close()
    timed.release()
    (workspace.journals / "0.jsonl").unlink()
    Book.open(workspace)
    bill = make_bill(workspace, SETTINGS)
    (line,) = bill.phases.lines
    assert (line.phase, line.figures) == ("not told apart", bill.lines[0].figures)


def test_an_end_without_phases_and_one_with_too_many_are_not_told_apart(
    book, timed, clock, workspace
):
    for share in (None, 0.5):
        run = book.start_run("training", "n", input_key="k", meter=timed)
        _train(run, clock)

        def finish(end, share=share):
            phases = {"phases": ()}
            if share is not None:
                less = end.work.model_copy(update={"wall_seconds": share * end.work.wall_seconds})
                phases = {"work": less}
            book.append(end.model_copy(update=phases))

        run._finish = finish
        run.end()
    bill = make_bill(workspace, SETTINGS)
    assert [line.phase for line in bill.phases.lines] == ["not told apart"] * 2
    assert [line.figures for line in bill.phases.lines] == [each.figures for each in bill.lines]


def test_what_another_meter_read_is_shared_out_by_the_time_of_the_phases(
    book, timed, clock, workspace
):
    with book.start_run("training", "n", input_key="k", meter=timed) as run:
        _train(run, clock)
        run.end()
    read = EnergyPart(
        covers="machine", method="psu", joules=6300.0, low_joules=6300.0, high_joules=6300.0
    )
    book.append(Reading(runs=(0,), energy=read, source="plug"))
    bill = make_bill(workspace, SETTINGS)
    joules = {line.phase: line.figures.kwh.value * 3.6e6 for line in bill.phases.lines}
    # 100 W over the 63 s of the run.
    assert joules == pytest.approx({phase: 100.0 * each for phase, each in TRAINED.items()})
    assert bill.lines[0].figures.kwh.value * 3.6e6 == pytest.approx(6300.0)


def test_what_the_book_proves_beyond_the_phases_is_left_over(book, timed, clock, workspace):
    run = book.start_run("training", "n", input_key="k", meter=timed)
    _train(run, clock)
    run._finish = lambda end: book.append(
        end.model_copy(update={"work": end.work.model_copy(update={"tokens": 100})})
    )
    run.end()
    bill = make_bill(workspace, SETTINGS)
    tokens = {line.phase: line.figures.tokens.value for line in bill.phases.lines}
    assert tokens.pop("not told apart") == 70
    assert sum(tokens.values()) == 30


def test_the_bill_shows_phases_as_text_and_as_json(book, timed, clock, workspace):
    with book.start_run("training", "n", input_key="k", meter=timed) as run:
        _train(run, clock)
        run.end()
    bill = make_bill(workspace, SETTINGS)
    console = Console(width=80)
    with console.capture() as captured:
        print_bill(bill, console)
    assert "Sums of the runs by phase" in captured.get()
    assert "checkpointing" in captured.get()
    told = json.loads(json.dumps(bill.to_json()))["phases"]
    assert list(told["sums"]) == list(TRAINED)
    by_run = sum(line["wall_hours"]["value"] for line in told["runs"] if line["run"] == 0)
    assert by_run == pytest.approx(bill.total.wall_hours.value)


def _energy(method, joules, low=None):
    return EnergyPart(
        covers="p",
        method=method,
        joules=joules,
        low_joules=joules if low is None else low,
        high_joules=joules,
    )


def _total(seconds, *parts):
    amounts = {"wall_seconds": seconds, "device_seconds": 2 * seconds, "cpu_seconds": seconds}
    work = NO_WORK.model_copy(update=amounts)
    return work.with_energy(joules_of(parts), method_of(parts), parts)


def test_the_model_of_the_start_up_makes_no_later_phase_an_estimate():
    sums = PhaseSums("training", NO_WORK)
    start = _energy("tdp_model", 30.0, low=8.0)
    sums.add("start", _total(3.0, start))
    sums.add("train", _total(5.0, start, _energy("rapl", 7.0)))
    first, second = sums.parts()
    assert (first.work.energy_method, first.work.joules) == ("tdp_model", 30.0)
    assert (second.work.energy_method, second.work.joules) == ("rapl", 7.0)
    assert second.work.energy_parts[0].measured


def _half(book, meter, whole, half, told=True):
    """Books a run with this work, of which its phases tell half."""
    run = book.start_run("training", "n", input_key="k", meter=meter)
    phases = (PhaseWork(phase="training", work=half),) if told else ()
    run._finish = lambda end: book.append(end.model_copy(update={"work": whole, "phases": phases}))
    run.end()


def _package(joules):
    """A share of a package: it may have been nothing, or four times as much."""
    return EnergyPart(
        covers="package-0",
        method="rapl",
        joules=joules,
        low_joules=0.0,
        high_joules=4 * joules,
    )


def test_what_is_not_told_apart_of_an_estimate_is_an_estimate(book, timed, workspace):
    _half(book, timed, _total(100.0, _package(3.6e6)), _total(50.0, _package(1.8e6)))
    bill = make_bill(workspace, SETTINGS)
    for line in bill.phases.lines:
        kwh = line.figures.kwh
        assert (kwh.low, kwh.value, kwh.high) == pytest.approx((0.0, 0.5, 2.0)), line.phase
        assert kwh.provenance is Provenance.ESTIMATED, line.phase
    assert {line.phase for line in bill.phases.lines} == {"training", "not told apart"}


def test_a_rest_whose_parts_nobody_told_is_no_measurement_where_the_whole_is_none(
    book, timed, workspace
):
    half = _total(50.0).with_energy(1.8e6, "rapl")
    _half(book, timed, _total(100.0, _package(3.6e6)), half)
    lines = {line.phase: line.figures.kwh for line in make_bill(workspace, SETTINGS).phases.lines}
    assert lines["not told apart"].value == pytest.approx(0.5)
    assert lines["not told apart"].provenance is Provenance.ESTIMATED


def test_energy_that_rounding_leaves_below_zero_is_none_and_keeps_its_range(book, timed, workspace):
    more = _total(50.0, _energy("rapl", 0.1 + 0.2, low=0.0))
    _half(book, timed, _total(100.0, _energy("rapl", 0.3, low=0.1)), more)
    lines = {line.phase: line.figures.kwh for line in make_bill(workspace, SETTINGS).phases.lines}
    rest = lines["not told apart"]
    assert rest.value == rest.low == 0.0
    assert rest.high * 3.6e6 == pytest.approx(0.1)
    assert rest.provenance is Provenance.ESTIMATED


def test_what_members_leave_of_an_estimate_is_an_estimate(book, timed, workspace):
    _half(book, timed, _total(100.0, _package(3.6e6)), NO_WORK, told=False)
    (run,) = collect_runs(workspace, book.records)
    rates = make_pricing(book.records, SETTINGS, workspace.root).of(0)
    kwh = run.figures(rates, without=_total(50.0).with_energy(1.8e6, "rapl")).kwh
    assert (kwh.value, kwh.provenance) == (pytest.approx(0.5), Provenance.ESTIMATED)
    own = EnergyPart(
        covers="package-0",
        method="rapl",
        joules=3.6e6 + 1e-6,
        low_joules=3.6e6,
        high_joules=4e6,
    )
    kwh = run.figures(rates, without=_total(50.0, own)).kwh
    assert (kwh.low, kwh.value) == (0.0, 0.0)
    assert kwh.high * 3.6e6 == pytest.approx(4 * 3.6e6 - 4e6)


def test_what_heartbeats_say_of_themselves_is_grouped():
    assert phase_of("4L-8E-2K hellaswag", "evaluation") == "evaluation"
    assert phase_of("benchmarks", "evaluation") == "evaluation"
    assert phase_of("tokenize", "curation") == "curation"
    assert phase_of("train", "ablation") == "training"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["start", "compile", "train", "checkpoint", "evaluate", "wind-down"]),
            st.floats(0, 1e6),
            st.integers(0, 10**9),
        ),
        min_size=1,
    )
)
def test_phases_add_up_to_the_run_whatever_it_did(story):
    sums, total = PhaseSums("training", NO_WORK), NO_WORK
    for name, seconds, tokens in story:
        more = NO_WORK.model_copy(update={"wall_seconds": seconds, "tokens": tokens})
        total = Work.__add__(total, more)
        sums.add(name, total)
    parts = sums.parts()
    assert len({each.phase for each in parts}) == len(parts)
    assert sum(each.work.tokens for each in parts) == total.tokens
    together = sum(each.work.wall_seconds for each in parts)
    assert together == pytest.approx(total.wall_seconds, rel=1e-12, abs=1e-9)


def test_the_end_of_a_run_holds_its_phases(book, timed, clock):
    with book.start_run("training", "n", input_key="k", meter=timed) as run:
        _train(run, clock)
        work = run.end()
    end = book.records[-1].body
    assert isinstance(end, RunEnd)
    assert sum((each.work for each in end.phases), NO_WORK).joules == pytest.approx(work.joules)
