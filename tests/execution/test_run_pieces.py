"""Pieces are done once, wherever and in however many processes, and what is finished is reused."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import piece_functions as functions
import pytest
from piece_functions import PIECES, Numbers, work

from farthing.errors import ConfigError, CorpusError, InterruptedRunError, WorkspaceError
from farthing.execution.run import parse_shard, run_pieces, shard_of
from farthing.execution.workers import Workers


def _run(made, folder, count=1, pieces=PIECES, **options):
    with Workers(count) as workers:
        return run_pieces(made, pieces, folder, workers, **options)


def _noting(reported):
    """A report that notes each piece that is said to be done."""
    return lambda _phase, share: reported.append(share)


def _begun(trace):
    """How often each piece was begun."""
    numbers = [int(path.name.split("-")[0]) for path in trace.iterdir()]
    return {number: numbers.count(number) for number in set(numbers)}


def _tree(folder):
    """Every file below a folder with its bytes, but for the manifests' seconds."""
    tree = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if path.name == "piece.json":
                data = json.dumps({**json.loads(data), "cpu_seconds": None})
            tree[path.relative_to(folder).as_posix()] = data
    return tree


@pytest.fixture
def trace(tmp_path):
    folder = tmp_path / "trace"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "made"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What one worker makes of all pieces in one go."""
    folder = tmp_path_factory.mktemp("whole")
    return _run(work(functions.multiply), folder), _tree(folder)


def test_every_piece_has_its_files_counts_and_a_manifest_that_digests_them(whole):
    results, tree = whole
    assert [result.number for result in results] == list(range(20))
    for number, result in enumerate(results):
        values = [3 * value for value in range(number * 10, number * 10 + 10)]
        assert result.counts == {"numbers": 10, "sum": sum(values)}
        assert (result.directory / "made.txt").read_text() == " ".join(map(str, values))
        assert set(result.outputs) == {"made.txt", "deep/sum.txt"}
        assert set(result.cpu_seconds) == {"finish", "multiply", "other", "write"}
        assert not result.reused
    assert len(tree) == 60
    manifest = json.loads((results[7].directory / "piece.json").read_bytes())
    assert results[7].directory.name == "000007"
    assert manifest["input"] == list(range(70, 80))
    assert manifest["settings"] == {"factor": 3}


def test_two_workers_make_what_one_makes(whole, folder, trace):
    results = _run(work(functions.multiply, trace=trace), folder, 2)
    assert _tree(folder) == whole[1]
    assert [result.digest for result in results] == [result.digest for result in whole[0]]
    assert set(_begun(trace).values()) == {1}
    processes = {path.name.split("-")[1] for path in trace.iterdir()}
    assert len(processes) == 2
    assert str(os.getpid()) not in processes


def test_shards_make_together_what_the_whole_makes(whole, folder, trace):
    made = work(functions.multiply, trace=trace)
    for number in (2, 0, 1):
        results = _run(made, folder, shard=(number, 3))
        assert [result.number for result in results] == list(range(number, 20, 3))
    assert _tree(folder) == whole[1]
    results = _run(made, folder)
    assert all(result.reused for result in results)
    assert results == tuple(_moved(result, folder) for result in whole[0])
    assert set(_begun(trace).values()) == {1}


def _moved(result, folder):
    directory = folder / "multiply" / result.directory.name
    return type(result)(**{**vars(result), "directory": directory})


def test_one_pool_does_several_phases(folder, whole):
    with Workers(2) as workers:
        first = run_pieces(work(functions.loads_torch), PIECES[:4], folder / "a", workers)
        processes = set(workers.process_ids)
        second = run_pieces(work(functions.multiply), PIECES, folder / "b", workers)
        assert set(workers.process_ids) == processes
    assert workers.process_ids == []
    assert {result.counts["process"] for result in first} == processes
    assert not any(result.counts["torch"] for result in first)
    assert [result.digest for result in second] == [result.digest for result in whole[0]]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"code": "2"}, id="code"),
        pytest.param({"factor": 4}, id="settings"),
    ],
)
def test_a_change_of_code_or_settings_does_all_again(folder, change):
    _run(work(functions.multiply), folder)
    assert not any(result.reused for result in _run(work(functions.multiply, **change), folder))


def test_a_change_of_one_input_does_that_piece_again(folder):
    _run(work(functions.multiply), folder)
    changed = [*PIECES[:5], Numbers(5, (1, 2, 3)), *PIECES[6:]]
    results = _run(work(functions.multiply), folder, pieces=changed)
    assert [result.number for result in results if not result.reused] == [5]
    assert results[5].counts == {"numbers": 3, "sum": 18}


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda d: (d / "made.txt").write_text("changed"), id="changed"),
        pytest.param(lambda d: (d / "made.txt").unlink(), id="missing"),
        pytest.param(lambda d: (d / "more.txt").touch(), id="one more"),
        pytest.param(lambda d: (d / "piece.json").write_text("{"), id="manifest cut"),
        pytest.param(lambda d: (d / "piece.json").write_text("[]"), id="manifest of another kind"),
        pytest.param(lambda d: (d / "piece.json").unlink(), id="no manifest"),
    ],
)
def test_a_damaged_piece_is_done_again(whole, folder, damage):
    _run(work(functions.multiply), folder)
    damage(folder / "multiply" / "000003")
    results = _run(work(functions.multiply), folder)
    assert [result.number for result in results if not result.reused] == [3]
    assert _tree(folder) == whole[1]


@pytest.mark.parametrize("count", [1, 2])
def test_bad_input_ends_the_run_and_finished_pieces_are_kept(folder, count):
    reported = []
    with pytest.raises(CorpusError, match="piece 9 is wrong") as raised:
        _run(work(functions.wrong, bad=(9,)), folder, count, report=_noting(reported))
    assert raised.value.remedy == "mend it"
    kept = {path.name for path in (folder / "multiply").iterdir()}
    assert "000009" not in kept
    # Two workers share the pieces as each has time: which ones were done is not foreseen.
    assert len(kept) >= len(reported)
    assert count == 2 or kept == {f"{n:06d}" for n in range(9)}
    assert not any(name.startswith(".") for name in kept)


@pytest.mark.parametrize("count", [1, 2])
def test_a_full_disk_keeps_finished_pieces_and_no_half_one(folder, whole, count):
    reported = []
    with pytest.raises(WorkspaceError, match=r"no room left on the disk.*000002"):
        _run(work(functions.full, bad=(2,)), folder, count, report=_noting(reported))
    kept = {path.name for path in (folder / "multiply").iterdir()}
    assert len(kept) >= len(reported)
    assert count == 2 or kept == {"000000", "000001"}
    assert not any(name.startswith(".") for name in kept)
    results = _run(work(functions.multiply), folder, count)
    assert {f"{result.number:06d}" for result in results if result.reused} == kept
    assert _tree(folder) == whole[1]


def test_a_bug_in_a_worker_shows_where_it_was(folder):
    with pytest.raises(ZeroDivisionError) as raised:
        _run(work(functions.broken, bad=(3,)), folder, 2)
    assert "in broken" in "".join(raised.value.__notes__)


def test_sigterm_in_this_process_keeps_finished_pieces(folder):
    with pytest.raises(InterruptedRunError, match="with 4 of 20 pieces finished"):
        _run(work(functions.interrupted, bad=(4,)), folder)
    assert len(list((folder / "multiply").iterdir())) == 4


def test_the_report_goes_up_to_the_whole(folder):
    told = []
    _run(work(functions.multiply), folder, 2, report=lambda *of: told.append(of))
    assert told == [("multiply", n / 20) for n in range(1, 21)]


def test_a_single_piece_starts_no_process(folder, trace):
    with Workers(2) as workers:
        (alone,) = run_pieces(work(functions.loads_torch), PIECES[:1], folder / "a", workers)
        assert workers.process_ids == []
        assert alone.counts["process"] == os.getpid()
        # The last of several that is left is single too.
        run_pieces(work(functions.multiply), PIECES, folder, workers, shard=(0, 2))
        last = [*PIECES[::2], PIECES[1]]
        run_pieces(work(functions.multiply, trace=trace), last, folder, workers)
    assert [path.name.split("-")[:2] for path in trace.iterdir()] == [["1", str(os.getpid())]]


def test_no_pieces_are_no_work(folder):
    assert _run(work(functions.multiply), folder, 2, pieces=[]) == ()


@pytest.mark.parametrize("text", ["3/3", "-1/3", "1", "a/b", "1/2/3", "0/0"])
def test_a_shard_that_is_none_is_told(text):
    with pytest.raises(ConfigError, match=text.split("/")[0]):
        parse_shard(text)


def test_every_piece_is_in_one_shard():
    assert parse_shard("2/8") == (2, 8)
    shards = [shard_of(PIECES, (number, 8)) for number in range(8)]
    assert sorted((p for shard in shards for p in shard), key=lambda p: p.number) == PIECES


def test_workers_are_at_least_one():
    with pytest.raises(ConfigError, match="workers: 0"):
        Workers(0)
    assert Workers().count == len(os.sched_getaffinity(0))


def test_nothing_that_a_worker_needs_loads_torch():
    code = (
        "import sys, farthing.execution.run, farthing.documents.readers.read;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
