"""The bill of a workspace that somebody else sent: what it names is not followed out of it."""

from __future__ import annotations

import io
import os
from datetime import date
from pathlib import Path

import pytest
from entering import Enter
from rich.console import Console

from farthing.artifacts.canonical import digest_file
from farthing.artifacts.rates import GridRate, RatesRecord, SeriesRate
from farthing.artifacts.settings import CarbonSeries, WorkspaceSettings
from farthing.cli.main import main
from farthing.errors import ConfigError
from farthing.ledger.bill import make_bill
from farthing.ledger.bill_text import print_bill

NOTHING = WorkspaceSettings()
HOURS = "utc_start,grams_per_kwh\nsecret,5\nsecret,4\n"


def pipe(place: Path) -> None:
    os.mkfifo(place)


def folder(place: Path) -> None:
    place.mkdir()


def endless(place: Path) -> None:
    place.symlink_to("/dev/zero")


def elsewhere(place: Path) -> None:
    """A link to a file that is none of the workspace's."""
    other = place.parents[2] / "other"
    other.write_text(HOURS)
    place.symlink_to(other)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("put", [pipe, folder, endless, elsewhere])
@pytest.mark.parametrize("ended", [True, False], ids=["ended", "open"])
def test_what_stands_in_the_place_of_a_journal_is_not_read(book, meter, workspace, put, ended):
    if ended:
        Enter(book, meter).run("training", 1)
    else:
        run = book.start_run("training", "n", input_key="k", meter=meter)
        meter.unwatch(run._look)
    journal = workspace.root / "journals/0.jsonl"
    journal.unlink()
    put(journal)
    bill = make_bill(workspace, NOTHING, book_only=True)
    assert [note for note in bill.notes if "run 0: its journal is no regular file" in note]
    assert ("no regular file" in str(bill.lines[0].reason)) is not ended


def test_a_journal_that_may_not_be_read_is_said_to_be_that(book, meter, workspace, monkeypatch):
    Enter(book, meter).run("training", 1)
    opened = Path.open

    def refuse(path, *words, **options):
        if path.suffix == ".jsonl" and path.parent.name == "journals":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *words, **options)

    monkeypatch.setattr(Path, "open", refuse)
    notes = make_bill(workspace, NOTHING, book_only=True).notes
    assert "run 0: its journal cannot be read (Permission denied)" in notes


@pytest.mark.timeout(60)
@pytest.mark.parametrize("put", [pipe, folder, endless, elsewhere])
def test_what_stands_in_the_place_of_a_series_is_not_read(book, meter, workspace, put):
    place = workspace.root / "grid/hours.csv"
    place.parent.mkdir(parents=True)
    put(place)
    named = SeriesRate(file="grid/hours.csv", digest="0" * 64, source="s")
    book.append(RatesRecord(from_run=0, prices={}, grid=GridRate(series=named), pue=None))
    Enter(book, meter).run("training", 1)
    (unknown,) = (
        each
        for each in make_bill(workspace, NOTHING, book_only=True).unknown
        if "hours.csv" in each
    )
    assert "is no regular file of the workspace" in unknown
    given = CarbonSeries(file="grid/hours.csv", date=date(2026, 1, 31), source="s")
    with pytest.raises(ConfigError, match="no regular file of the workspace") as refused:
        make_bill(workspace, WorkspaceSettings(carbon_series=given))
    assert "secret" not in str(refused.value)


def test_the_digest_of_a_file_that_was_not_meant_is_not_told(book, meter, workspace):
    Enter(book, meter).run("training", 1)
    place = workspace.root / "hours.csv"
    place.write_text(HOURS)
    named = SeriesRate(file="hours.csv", digest="0" * 64, source="s")
    book.append(RatesRecord(from_run=0, prices={}, grid=GridRate(series=named), pue=None))
    (unknown,) = (
        each
        for each in make_bill(workspace, NOTHING, book_only=True).unknown
        if "hours.csv" in each
    )
    assert "holds something else now (not 000000000000" in unknown
    assert digest_file(place)[:12] not in unknown


def test_names_and_reasons_command_no_terminal(book, meter, workspace):
    name = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e[/red]"
    enter = Enter(book, meter)
    enter.run("training", 1, name=name, plan=enter.plan(name), made="s", status="completed")
    with book.start_run("training", name, input_key="f", meter=meter) as run:
        run.end("failed", reason=f"why {name}")
    out = io.StringIO()
    print_bill(make_bill(workspace, NOTHING), Console(file=out, width=80))
    text = out.getvalue()
    assert text.count("owned") >= 3
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)


def test_errors_and_findings_command_no_terminal(book, meter, workspace, capsys):
    Enter(book, meter).run("training", 1)
    (workspace.root / "journals/\x1b[2Jx.jsonl").write_text("")
    workspace.settings_file.write_text('"key\\e[2J": 1')
    assert main(["verify", "--workspace", str(workspace.root)]) == 1
    assert main(["bill", "--workspace", str(workspace.root)]) == 2
    said = capsys.readouterr()
    assert "[2Jx.jsonl" in said.out
    assert "key" in said.err
    assert "\x1b" not in said.out + said.err


def test_the_book_alone_is_billed_beside_a_broken_farthing_yaml(book, meter, workspace, capsys):
    Enter(book, meter).run("training", 1)
    workspace.settings_file.write_text("nonsense: [")
    words = ["bill", "--workspace", str(workspace.root)]
    assert main([*words, "--book-only"]) == 0
    assert "training n" in capsys.readouterr().out
    assert main(words) != 0
    # What is to be entered has to be read.
    assert main([*words, "--book-only", "--record"]) != 0
