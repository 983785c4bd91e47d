from __future__ import annotations

import json
from datetime import date

import pytest

from farthing.artifacts.entries import Event, Plan
from farthing.artifacts.expense import Expense, Reading
from farthing.artifacts.holding import Holding
from farthing.artifacts.manifest import write_manifest
from farthing.artifacts.rates import RatesRecord
from farthing.artifacts.work import EnergyPart
from farthing.errors import UsageError
from farthing.ledger.book import Book
from farthing.stages.verify.run import verify_workspace


@pytest.fixture
def artifact(workspace, book, meter):
    folder = workspace.root / "corpora" / "tiny-k"
    folder.mkdir(parents=True)
    (folder / "tokens.bin").write_bytes(b"tokens")
    manifest = write_manifest(folder, kind="corpus", input_key="k", detail={})
    with book.start_run("curation", "tiny", input_key="k", meter=meter) as run:
        run.beat("tokenise", None)
        run.end(artifact_kind="corpus", artifact_digest=manifest.content_digest)
    return folder


def _failures(workspace, **known):
    verdict = verify_workspace(workspace, **known)
    assert verdict.ok is not any(not finding.ok for finding in verdict.findings)
    json.dumps(verdict.to_json())
    return [finding for finding in verdict.findings if not finding.ok]


@pytest.mark.usefixtures("artifact")
def test_an_honest_workspace_passes_every_check(workspace):
    verdict = verify_workspace(workspace)
    assert verdict.ok
    assert {f.check for f in verdict.findings} == {
        "book",
        "run numbers",
        "journal",
        "artifacts",
        "artifact",
    }


def test_a_workspace_without_a_book_fails(workspace):
    (failure,) = _failures(workspace)
    assert failure.check == "book"


def test_an_empty_book_fails(workspace):
    workspace.create().book_file.touch()
    (failure,) = _failures(workspace)
    assert "empty" in failure.detail


@pytest.mark.usefixtures("artifact")
def test_a_changed_book_is_located(workspace):
    data = workspace.book_file.read_bytes()
    workspace.book_file.write_bytes(data.replace(b"tiny", b"tinx", 1))
    assert any("line 2" in f.detail for f in _failures(workspace))


@pytest.mark.usefixtures("artifact")
def test_a_cut_book_shows_by_the_recorded_head_and_by_one_given_by_hand(
    workspace, book, monkeypatch, tmp_path
):
    head = book.head
    book_lines = workspace.book_file.read_bytes().splitlines(keepends=True)
    workspace.book_file.write_bytes(b"".join(book_lines[:-1]))
    assert any("ends after entry 2, but 3" in f.detail for f in _failures(workspace))
    # On another machine nothing is known, and the verdict says so.
    monkeypatch.setenv("FARTHING_HOME", str(tmp_path / "elsewhere"))
    details = [f.detail for f in verify_workspace(workspace).findings]
    assert any("no head is known" in detail for detail in details)
    failures = _failures(workspace, head=head.digest, count=head.count)
    assert any("ends after entry 2, but 3" in f.detail for f in failures)


def test_half_a_head_is_a_usage_error(workspace):
    with pytest.raises(UsageError, match="both"):
        verify_workspace(workspace, head="abc")


@pytest.mark.usefixtures("artifact")
def test_a_changed_cut_or_missing_journal_shows(workspace):
    journal = workspace.journals / "0.jsonl"
    data = journal.read_bytes()
    journal.write_bytes(data.replace(b"tokenise", b"tokenisf", 1))
    assert any("line 2" in f.detail for f in _failures(workspace))
    journal.write_bytes(b"".join(data.splitlines(keepends=True)[:-1]))
    assert any("ends after entry 1, but 2" in f.detail for f in _failures(workspace))
    journal.unlink()
    assert any("missing" in f.detail for f in _failures(workspace))


@pytest.mark.usefixtures("artifact")
def test_a_journal_of_another_run_does_not_fit(workspace, book, meter):
    with book.start_run("curation", "tiny", input_key="k", meter=meter) as run:
        run.end()
    (workspace.journals / "0.jsonl").write_bytes((workspace.journals / "1.jsonl").read_bytes())
    assert any("hash link" in f.detail for f in _failures(workspace))


@pytest.mark.usefixtures("artifact")
def test_a_journal_that_no_run_names_shows(workspace):
    data = (workspace.journals / "0.jsonl").read_bytes()
    (workspace.journals / "9.jsonl").write_bytes(data)
    assert any("names no such run" in f.detail for f in _failures(workspace))


def test_a_changed_file_of_an_artifact_shows(workspace, artifact):
    (artifact / "tokens.bin").write_bytes(b"tokenx")
    (failure,) = _failures(workspace)
    assert "tokens.bin" in failure.detail


def test_an_artifact_replaced_together_with_its_manifest_shows(workspace, artifact):
    (artifact / "tokens.bin").write_bytes(b"others")
    write_manifest(artifact, kind="corpus", input_key="k", detail={})
    (failure,) = _failures(workspace)
    assert "the book names no such artifact" in failure.detail


def test_a_run_that_is_still_open_is_no_failure(workspace, book, meter):
    run = book.start_run("training", "x", input_key="k", meter=meter)
    assert verify_workspace(workspace).ok
    run.end()


def test_a_run_killed_in_the_middle_of_a_heartbeat_passes_once_closed(workspace, book, meter):
    run = book.start_run("training", "x", input_key="k", meter=meter)
    run.beat("train", 1)
    run._journal.close()  # what the kernel does when the process dies
    journal = workspace.journals / "0.jsonl"
    journal.write_bytes(journal.read_bytes()[:-5])
    Book.open(workspace)
    verdict = verify_workspace(workspace)
    assert verdict.ok
    assert any("was killed" in finding.detail for finding in verdict.findings)


def test_entries_of_runs_that_never_started_show(workspace, book):
    book.append(Event(run=4, event="note", detail="from nowhere"))
    (failure,) = _failures(workspace)
    assert "run 4 has not started" in failure.detail


def _expense(**changes):
    what = {"what": "storage", "usd": 1.0, "basis": None, "source": "an invoice"}
    return Expense(**what, date=date(2026, 1, 31), **changes)


def _reading(*runs, held=None):
    energy = EnergyPart(covers="node", method="psu", joules=1.0, low_joules=1.0, high_joules=1.0)
    return Reading(runs=runs, held=held, energy=energy, source="the rack's meter")


def _held(since, until, machine=None):
    times = {"since": f"2026-01-31T{since}Z", "until": f"2026-01-31T{until}Z"}
    return Holding(**times, devices=8, machine=machine)


def _rates(from_run):
    return RatesRecord(from_run=from_run, prices={}, grid=None, pue=None)


def _plan():
    return Plan(name="p", recipe={}, recipe_digest="d", corpus_digest=None, members=())


@pytest.mark.usefixtures("artifact")
def test_rates_expenses_and_readings_of_runs_and_plans_that_are_there_pass(workspace, book):
    plan = book.append(_plan()).entry.digest
    for body in (_rates(0), _rates(1), _expense(runs=(0,), plan=plan), _expense(), _reading(0)):
        book.append(body)
    assert verify_workspace(workspace).ok


@pytest.mark.usefixtures("artifact")
@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param(_rates(2), "rates from run 2 on, where run 1 is the next", id="rates"),
        pytest.param(_expense(runs=(0, 3)), "run 3 has not started", id="expense"),
        pytest.param(_expense(plan="f" * 64), "a plan that was not signed", id="expense's plan"),
        pytest.param(_reading(1), "run 1 has not started", id="reading"),
        pytest.param(_reading(held="f" * 64), "a holding that was not entered", id="idle"),
    ],
)
def test_rates_expenses_and_readings_from_nowhere_show(workspace, book, body, problem):
    book.append(body)
    (failure,) = _failures(workspace)
    assert failure.check == "run numbers"
    assert problem in failure.detail


@pytest.mark.usefixtures("artifact")
def test_a_machine_is_held_once_at_a_time(workspace, book):
    first = book.append(_held("09:00", "10:00", "m"))
    book.append(_reading(held=first.entry.digest))
    for body in (_held("10:00", "11:00", "m"), _held("09:30", "10:30", "another")):
        book.append(body)
    assert verify_workspace(workspace).ok
    for body in (_held("09:59", "12:00", "m"), _held("01:00", "23:00")):
        book.append(body)
    found = _failures(workspace)
    assert [failure.detail for failure in found] == 2 * ["a machine is held twice at the same time"]


@pytest.mark.parametrize("how", ["missing", "empty", "damaged"])
@pytest.mark.parametrize("closed", ["before", "after", "never"])
def test_a_killed_run_whose_journal_is_lost_is_no_honest_workspace(
    workspace, book, meter, how, closed
):
    run = book.start_run("training", "x", input_key="k", meter=meter)
    run.beat("train", 1)
    run.beat("train", 2)
    run._journal.close()
    if closed == "before":
        Book.open(workspace)
    journal = workspace.journals / "0.jsonl"
    data = journal.read_bytes()
    if how == "missing":
        journal.unlink()
    else:
        journal.write_bytes(b"" if how == "empty" else data.replace(b"train", b"trail", 1))
    if closed == "after":
        Book.open(workspace)
    if (how, closed) == ("empty", "never"):
        return  # as a run looks that is just beginning
    (failure,) = _failures(workspace)
    assert failure.check == "journal"
    assert failure.where == str(journal)
