"""The runner: every task once, on hardware threads of its own, and what went wrong is told."""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass

import pytest
import torch

from farthing.errors import ConfigError, CorpusError
from farthing.session import Show
from farthing.studies.runner import run_tasks

SHOW = Show(line=lambda _: None, training=lambda *_: nullcontext(lambda *_: None))


@dataclass(frozen=True)
class Look:
    """Says where it ran and what its session bills."""

    number: int

    @property
    def title(self):
        return f"look {self.number}"

    def run(self, session):
        place = tuple(sorted(os.sched_getaffinity(0)))
        return self.number, os.getpid(), place, session.meter.machine.devices


@dataclass(frozen=True)
class Fail(Look):
    def run(self, _session):
        raise CorpusError("no text", remedy="add some")


@pytest.fixture
def root(workspace):
    workspace.create()
    return workspace.root


def test_one_job_runs_here_in_order(root):
    done = list(run_tasks([Look(2), Look(1)], root, SHOW, jobs=1))
    assert [each.result[0] for each in done] == [2, 1]
    assert {each.result[1] for each in done} == {os.getpid()}


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one hardware thread")
def test_several_jobs_have_threads_of_their_own_and_are_billed_for_those(root):
    before = os.sched_getaffinity(0), torch.get_num_threads()
    done = list(run_tasks([Look(number) for number in range(4)], root, SHOW, jobs=2))
    assert sorted(each.result[0] for each in done) == [0, 1, 2, 3]
    assert os.getpid() not in {each.result[1] for each in done}
    places = {each.result[1]: each.result[2] for each in done}
    held = [thread for place in places.values() for thread in place]
    assert len(held) == len(set(held)), "no thread is shared"
    assert all(each.result[3] == len(each.result[2]) for each in done)
    assert (os.sched_getaffinity(0), torch.get_num_threads()) == before


def test_more_jobs_than_threads_are_refused(root):
    there = len(os.sched_getaffinity(0))
    with pytest.raises(ConfigError, match=f"--jobs {there + 1}: there are {there}"):
        list(run_tasks([Look(0)], root, SHOW, jobs=there + 1))


@pytest.mark.parametrize("jobs", [1, pytest.param(2, id="two")])
def test_what_a_task_raises_reaches_the_caller(root, jobs):
    if jobs > len(os.sched_getaffinity(0)):
        pytest.skip("one hardware thread")
    with pytest.raises(CorpusError, match="no text"):
        list(run_tasks([Fail(0)], root, SHOW, jobs=jobs))
