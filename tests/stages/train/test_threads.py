"""The number of threads: measured, given, or that which a run began with."""

import pytest
import torch

from farthing.errors import ConfigError
from farthing.stages.train import threads
from farthing.stages.train.threads import (
    check_threads,
    choose_threads,
    fastest,
    race,
    thread_counts,
)


@pytest.fixture(autouse=True)
def _four_threads(monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    monkeypatch.setattr(threads, "available_threads", lambda: 4)
    yield
    torch.set_num_threads(before)


class Machine:
    """Work that takes a known time on each number of threads, and the clock that shows it."""

    def __init__(self, seconds):
        self.seconds, self.now, self.tried = seconds, 0.0, []

    def work(self):
        self.tried.append(torch.get_num_threads())
        self.now += self.seconds[torch.get_num_threads()]

    def choose(self, wanted=None, begun_with=None):
        return choose_threads(wanted, begun_with, self.work, clock=lambda: self.now)


def test_the_number_with_the_least_wall_clock_is_chosen_and_the_times_are_told():
    machine = Machine({1: 3.0, 2: 1.0, 4: 2.0})
    chosen = machine.choose()
    assert chosen.threads == 2
    assert chosen.reason == ("a micro-batch takes 3000.0 ms on 1, 1000.0 ms on 2, 2000.0 ms on 4")
    assert torch.get_num_threads() == 4
    assert set(machine.tried) == {1, 2, 4}


def test_no_more_threads_are_tried_than_torch_was_allowed():
    torch.set_num_threads(2)
    machine = Machine({1: 2.0, 2: 1.0})
    assert machine.choose().threads == 2
    assert set(machine.tried) == {1, 2}


def test_no_more_threads_are_tried_than_the_process_has(monkeypatch):
    monkeypatch.setattr(threads, "available_threads", lambda: 2)
    assert Machine({1: 1.0, 2: 2.0, 4: 0.1}).choose().threads == 1


def test_one_possible_number_needs_no_race():
    torch.set_num_threads(1)
    machine = Machine({})
    assert machine.choose().threads == 1
    assert not machine.tried


@pytest.mark.parametrize("begun_with", [None, 2])
def test_a_number_that_is_given_is_used(begun_with):
    machine = Machine({})
    chosen = machine.choose(wanted=3, begun_with=begun_with)
    assert (chosen.threads, chosen.reason) == (3, "train.threads")
    assert not machine.tried


def test_a_run_goes_on_with_the_number_it_began_with():
    machine = Machine({})
    assert machine.choose(begun_with=3).threads == 3
    assert not machine.tried


def test_a_number_that_is_no_longer_there_is_replaced_and_this_is_said():
    chosen = Machine({1: 2.0, 2: 2.0, 4: 1.0}).choose(begun_with=64)
    assert chosen.threads == 4
    assert chosen.reason.startswith("the run began with 64, 4 are here; ")


def test_counts_are_doubled_up_to_all_of_them():
    assert thread_counts(1) == (1,)
    assert thread_counts(6) == (1, 2, 4, 6)
    assert thread_counts(8) == (1, 2, 4, 8)


def test_a_race_takes_turns_and_leaves_the_first_run_of_each_out():
    seen = []

    def run():
        seen.append(torch.get_num_threads())
        return len(seen)

    laps = race((1, 2), run, budget_seconds=60, rounds=(0, 2))
    assert seen == [2, 2, 1, 1, 2, 2, 1, 1]
    assert laps == {1: [4, 8], 2: [2, 6]}


def test_a_race_that_is_out_of_time_keeps_what_it_has():
    laps = race((1, 2, 4), lambda: 1.0, budget_seconds=-1, rounds=(1, 5))
    assert laps == {1: [1.0], 2: [1.0], 4: [1.0]}
    assert race((1, 2), lambda: 1.0, budget_seconds=60, rounds=(0, 1)).keys() == {1, 2}


def test_the_fastest_is_the_one_with_the_least_median():
    assert fastest({1: [3, 2, 2], 2: [1, 1, 9]}) == 2


def test_the_number_of_threads_is_given_back_after_an_error():
    def broken():
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        race((1,), broken, budget_seconds=1, rounds=(1, 1))
    assert torch.get_num_threads() == 4


def test_more_threads_than_the_process_may_use_are_refused(monkeypatch):
    monkeypatch.setattr("farthing.stages.train.threads.available_threads", lambda: 4)
    check_threads(None)
    check_threads(4)
    with pytest.raises(ConfigError, match=r"train\.threads 5: this process may use 4") as caught:
        check_threads(5)
    assert "1 to 4" in caught.value.remedy
