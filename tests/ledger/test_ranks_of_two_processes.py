"""Two processes that train one model together, each with its meter: one bill, by hand."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from farthing.artifacts.work import Work
from farthing.ledger.ranks import RankWork, combine

TOGETHER_SECONDS = 180

# Sensors say what the test says, so that sums can be made by hand; clocks and processor time are
# the processes' own. Both read the package, the second a little later.
_RANK = """
import json, sys, time
import torch
import torch.distributed as dist
from datetime import timedelta
from farthing.hardware.machine import Host, Machine
from farthing.hardware.sensors.counter import read_exactly
from farthing.hardware.sensors.find import Load
from farthing.ledger.meter import Meter
from farthing.quantity import assumed

rank, folder = int(sys.argv[1]), sys.argv[2]

class Sensor:
    def __init__(self, method, covers):
        self.method, self.covers, self.joules = method, covers, 0.0
    def energy(self):
        return read_exactly(self.joules)

own = f"GPU-{rank}"
watts = assumed(100.0, "W", "test")
machine = Machine("node", "Chip", "chip", 1, watts, "chip", (own,), Host("cpu", 2, watts))
board = Sensor("board_counter", f"accelerator {own}")
package = Sensor("rapl", "package-0")
loads = [Load(board.covers, board, watts), Load(package.covers, package, watts)]
meter = Meter(machine, loads, from_process_start=False)

dist.init_process_group(
    "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2,
    timeout=timedelta(seconds=60),
)
weight = torch.full((4,), float(rank))
for step in range(3):
    # The gradient of each rank's own batch, averaged over both.
    gradient = weight - torch.full((4,), float(step + rank))
    dist.all_reduce(gradient)
    weight -= 0.5 * gradient / 2
# The second rank is still at work when the first is done.
if rank == 1:
    time.sleep(0.5)
board.joules, package.joules = (700.0, 50.0) if rank == 0 else (650.0, 52.0)
work = meter.lap().model_copy(
    update={"tokens": 100 + rank, "flops": 5.0 + rank, "optimizer_flops": 1.0}
)
mine = json.dumps({"node": machine.id, "ids": machine.device_ids, "work": work.model_dump()})
text = torch.tensor(list(mine.encode()), dtype=torch.uint8)
size = torch.tensor([len(text)])
sizes = [torch.zeros_like(size) for _ in range(2)]
dist.all_gather(sizes, size)
longest = int(max(sizes))
padded = torch.zeros(longest, dtype=torch.uint8)
padded[: len(text)] = text
texts = [torch.zeros(longest, dtype=torch.uint8) for _ in range(2)]
dist.all_gather(texts, padded)
if rank == 0:
    for each, length in zip(texts, sizes):
        print(bytes(each[: int(length)].tolist()).decode())
    print(json.dumps(weight.tolist()))
dist.barrier()
dist.destroy_process_group()
"""


@pytest.fixture
def lines(tmp_path, monkeypatch):
    """What the first rank printed: each rank's work, and the weights."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", _RANK, str(rank), str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        outputs = [rank.communicate(timeout=TOGETHER_SECONDS) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
    assert [rank.returncode for rank in ranks] == [0, 0], outputs
    return [json.loads(line) for line in outputs[0][0].splitlines()]


def test_two_ranks_on_one_machine_are_one_works_sum(lines):
    first, second, weight = lines
    # They really exchanged gradients: by hand, the first rank's weight w goes to (w + step) / 2.
    assert weight == [5 / 4] * 4
    combined = combine(
        [
            RankWork(each["node"], tuple(each["ids"]), Work.model_validate(each["work"]))
            for each in (first, second)
        ]
    )
    one, other = first["work"], second["work"]
    assert other["wall_seconds"] > one["wall_seconds"] > 0
    assert combined.wall_seconds == other["wall_seconds"]
    for name in ("device_seconds", "cpu_seconds", "tokens", "flops", "optimizer_flops"):
        assert getattr(combined, name) == pytest.approx(one[name] + other[name]), name
    assert (combined.tokens, combined.flops) == (201, 11.0)
    # Each board once; the package that both read once, by the longer reading.
    assert combined.joules == 700.0 + 650.0 + 52.0
    assert {part.covers: part.joules for part in combined.energy_parts} == {
        "accelerator GPU-0": 700.0,
        "accelerator GPU-1": 650.0,
        "package-0": 52.0,
    }
    assert all(part.measured for part in combined.energy_parts)
