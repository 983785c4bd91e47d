"""Siblings from a folder like the kernel's, and shares checked against every way to share."""

from __future__ import annotations

import os
from itertools import permutations

import pytest

from farthing.hardware.topology import cores_of, shares_of


@pytest.fixture
def cpus(tmp_path):
    """Writes what the kernel says of each thread's siblings."""

    def write(lists):
        for thread, listed in lists.items():
            folder = tmp_path / f"cpu{thread}" / "topology"
            folder.mkdir(parents=True)
            (folder / "thread_siblings_list").write_text(f"{listed}\n")
        return tmp_path

    return write


def test_siblings_are_one_core_however_they_are_numbered(cpus):
    far = cpus({0: "0,4", 1: "1,5", 2: "2,6", 3: "3,7", 4: "0,4", 5: "1,5", 6: "2,6", 7: "3,7"})
    assert cores_of(range(8), cpus=far) == [(0, 4), (1, 5), (2, 6), (3, 7)]


def test_siblings_may_be_listed_as_a_range_and_some_may_be_withheld(cpus):
    near = cpus({0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3", 4: "4-5,8-9", 8: "4-5,8-9"})
    # Threads 3, 5 and 9 are not ours.
    assert cores_of([0, 1, 2, 4, 8], cpus=near) == [(0, 1), (2,), (4, 8)]


@pytest.mark.parametrize("said", ["", "none", "0-"])
def test_a_thread_of_which_nothing_is_said_stands_alone(cpus, said):
    folder = cpus({0: said, 1: said})
    assert cores_of([0, 1, 2], cpus=folder) == [(0,), (1,), (2,)]


def test_without_siblings_the_order_stays_as_it_was():
    cores = [(thread,) for thread in range(11)]
    for jobs in range(1, 12):
        assert shares_of(cores, jobs) == [tuple(range(11))[job::jobs] for job in range(jobs)]


def test_siblings_stay_in_one_share():
    cores = [(0, 4), (1, 5), (2, 6), (3, 7)]
    assert shares_of(cores, 2) == [(0, 2, 4, 6), (1, 3, 5, 7)]
    assert shares_of(cores, 4) == [(0, 4), (1, 5), (2, 6), (3, 7)]
    # Numbered as neighbours, every second thread would part each pair.
    assert shares_of([(0, 1), (2, 3)], 2) == [(0, 1), (2, 3)]


def _cut(cores, shares):
    return sum(not any(set(core) <= set(share) for share in shares) for core in cores)


@pytest.mark.parametrize("sizes", [(2, 2, 2), (2, 2, 1), (2, 2, 1, 1), (1, 2, 2), (2, 1, 1, 1)])
@pytest.mark.parametrize("jobs", [1, 2, 3, 4, 5])
def test_shares_are_even_and_no_way_to_share_cuts_fewer_cores(sizes, jobs):
    numbers = iter(range(sum(sizes)))
    cores = [tuple(next(numbers) for _ in range(size)) for size in sizes]
    threads = [thread for core in cores for thread in core]
    found = shares_of(cores, jobs)
    assert sorted(thread for share in found for thread in share) == threads
    lengths = [len(share) for share in found]
    assert max(lengths) - min(lengths) <= 1
    ends = [sum(lengths[:place]) for place in range(jobs + 1)]
    best = min(
        _cut(cores, [order[ends[place] : ends[place + 1]] for place in range(jobs)])
        for order in permutations(threads)
    )
    assert _cut(cores, found) == best


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no affinity on this system")
def test_this_machines_threads_are_all_in_some_core():
    threads = sorted(os.sched_getaffinity(0))
    assert sorted(thread for core in cores_of(threads) for thread in core) == threads
