from __future__ import annotations

import pytest

from farthing.artifacts.work import EnergyPart, joules_of, method_of
from farthing.ledger.meter import NO_WORK
from farthing.ledger.ranks import RankWork, combine


def _part(covers, joules, method="board_counter"):
    return EnergyPart(
        covers=covers, method=method, joules=joules, low_joules=joules, high_joules=joules
    )


def _work(wall, devices, parts=(), *, tokens=100, flops=5.0):
    work = NO_WORK.model_copy(
        update={
            "wall_seconds": wall,
            "device_seconds": wall * devices,
            "cpu_seconds": wall / 2,
            "tokens": tokens,
            "flops": flops,
            "optimizer_flops": 1.0,
        }
    )
    return work.with_energy(joules_of(parts), method_of(parts), tuple(parts)) if parts else work


def test_amounts_add_and_the_longest_time_counts():
    # The first rank of the machine meters its processors too; the second leaves energy to it.
    first = RankWork("n", ("a",), _work(10.0, 1, [_part("a", 700.0), _part("processors", 50.0)]))
    second = RankWork("n", ("b",), _work(12.0, 1))
    found = combine([first, second])
    assert (found.wall_seconds, found.device_seconds, found.cpu_seconds) == (12.0, 22.0, 11.0)
    assert (found.tokens, found.flops, found.optimizer_flops) == (200, 10.0, 2.0)
    assert found.joules == 750.0


def test_what_two_ranks_read_is_one_energy():
    ranks = [
        RankWork(
            "n", (own,), _work(10.0, 1, [_part(own, 700.0), _part("package-0", joules, "rapl")])
        )
        for own, joules in (("a", 50.0), ("b", 52.0))
    ]
    assert combine(ranks).joules == 700.0 + 700.0 + 52.0


def test_packages_of_two_machines_are_two_energies():
    ranks = [
        RankWork(node, (node,), _work(10.0, 1, [_part("package-0", 50.0, "rapl")]))
        for node in ("n1", "n2")
    ]
    found = combine(ranks)
    assert found.joules == 100.0
    assert [part.covers for part in found.energy_parts] == ["package-0 of n1", "package-0 of n2"]


def test_a_device_that_two_ranks_hold_is_held_once():
    both = [RankWork("n", ("a", "b"), _work(10.0, 2)), RankWork("n", ("b",), _work(10.0, 1))]
    assert combine(both).device_seconds == 20.0


def test_a_model_of_devices_is_shared_as_they_are():
    work = _work(10.0, 2).with_energy(80.0, "tdp_model")
    found = combine([RankWork("n", ("a", "b"), work), RankWork("n", ("b", "c"), work)])
    assert (found.joules, found.energy_method) == (120.0, "tdp_model")


def test_unknown_energy_of_one_rank_makes_the_sum_unknown():
    work = _work(10.0, 1)
    ranks = [
        RankWork("n", ("a",), work.with_energy(80.0, "tdp_model")),
        RankWork("n", ("b",), work.with_energy(None, "none")),
    ]
    assert combine(ranks).joules is None


@pytest.mark.parametrize("devices", [(), ("a", "a")], ids=["none", "twice"])
def test_ranks_name_their_devices(devices):
    with pytest.raises(ValueError, match="names its devices"):
        combine([RankWork("n", devices, _work(1.0, 1))])
    with pytest.raises(ValueError, match="no rank"):
        combine([])
