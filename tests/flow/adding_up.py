"""Adds up a workspace's book with nothing but JSON and plain arithmetic.

This is what an auditor would write: it imports nothing of farthing, and knows of it only what
`docs/bill.md` says.
"""

from __future__ import annotations

import json
from pathlib import Path

# The amounts of work, and by how much they are divided for a bill.
AMOUNTS = {
    "wall_seconds": ("wall_hours", 3600),
    "device_seconds": ("device_hours", 3600),
    "cpu_seconds": ("cpu_hours", 3600),
    "tokens": ("tokens", 1),
    "flops": ("flops", 1),
    "optimizer_flops": ("optimizer_flops", 1),
}


def lines_of(path: Path) -> list[dict]:
    """The whole lines; a kill in the middle of a write leaves half of one behind them."""
    return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]


class Sums:
    """The sums of a book.

    `runs` has the cost of every run by number, expenses not included; `expenses` that of every
    expense; `parts` of every evaluation and extraction: run, shape and cost, with its part of the
    readings and expenses of its run.
    """

    def __init__(self, workspace: Path) -> None:
        self.book = lines_of(workspace / "book.jsonl")
        self.starts = {body["run"]: body for body in self.bodies("run.start")}
        self.works = {body["run"]: self._work(workspace, body) for body in self.bodies("run.end")}
        self.joules = {run: self._joules(run, work) for run, work in self.works.items()}
        for body in self.bodies("reading"):
            held = {run: self.works[run]["wall_seconds"] for run in body["runs"]}
            for run, seconds in held.items():
                self.joules[run] = body["energy"]["joules"] * seconds / sum(held.values())
        self.runs = {
            run: self._cost(run, work, self.joules[run]) for run, work in self.works.items()
        }
        self.expenses = [self._expense(body) for body in self.bodies("expense")]
        self.parts = [
            (body["run"], body["shape"], self._part(body))
            for kind in ("evaluation", "extraction")
            for body in self.bodies(kind)
        ]

    def bodies(self, kind: str) -> list[dict]:
        return [line["body"] for line in self.book if line["kind"] == kind]

    def total(self) -> dict[str, float]:
        return added([*self.runs.values(), *self.expenses])

    def of_purpose(self, purpose: str) -> dict[str, float]:
        return added(
            [cost for run, cost in self.runs.items() if self.starts[run]["purpose"] == purpose]
        )

    def members(self, shares: dict[str, float]) -> dict[str, dict[str, dict[str, float]]]:
        """Of a workspace with one family: the three views of its members, by shape and view."""
        own = {
            shape: added([cost for _, of, cost in self.parts if of == shape]) for shape in shares
        }
        total = self.total()
        parent = {name: total[name] - sum(o.get(name, 0) for o in own.values()) for name in total}
        return {
            shape: {
                "marginal": added([mine]),
                "amortised": added([mine, scaled(parent, shares[shape])]),
                "fully_loaded": added([mine, parent]),
            }
            for shape, mine in own.items()
        }

    def rates(self, run: int) -> dict:
        """The entry for the latest run that is not later; of two for the same, the later entry."""
        held = [body for body in self.bodies("rates") if body["from_run"] <= run]
        latest = max(body["from_run"] for body in held)
        return [body for body in held if body["from_run"] == latest][-1]

    def _work(self, workspace: Path, end: dict) -> dict:
        """What a run used; of one that was killed, what its journal says last."""
        if end["evidence"] == "meter":
            return end["work"]
        journal = lines_of(workspace / self.starts[end["run"]]["journal"])
        return [line for line in journal if line["kind"] in ("heartbeat", "segment")][-1]["body"][
            "work"
        ]

    def _joules(self, run: int, work: dict) -> float:
        if work["joules"] is not None:
            return work["joules"]
        return work["device_seconds"] * self.rates(run)["watts_per_device"]["value"]

    def _cost(self, run: int, work: dict, joules: float) -> dict[str, float]:
        rates = self.rates(run)
        cost = {name: work[amount] / unit for amount, (name, unit) in AMOUNTS.items()}
        for basis, price in rates["prices"].items():
            usd = cost["device_hours"] * price["usd_per_device_hour"]["value"]
            cost[f"usd {basis}"] = usd
        cost["kwh"] = joules / 3.6e6 * rates["pue"]["value"]
        cost["kg_co2e"] = cost["kwh"] * rates["grid"]["grams_per_kwh"]["value"] / 1000
        return cost

    def _expense(self, body: dict) -> dict[str, float]:
        bases = {basis for run in self.works for basis in self.rates(run)["prices"]}
        return {f"usd {basis}": body["usd"] for basis in bases if body["basis"] in (None, basis)}

    def _part(self, body: dict) -> dict[str, float]:
        """A member's part of a run: of the run's energy by device-seconds, of expenses by hours."""
        run, work = body["run"], body["work"]
        whole = self.works[run]
        read = any(run in each["runs"] for each in self.bodies("reading"))
        joules = self.joules[run] * work["device_seconds"] / whole["device_seconds"]
        costs = [self._cost(run, work, joules if read else self._joules(run, work))]
        for expense, cost in zip(self.bodies("expense"), self.expenses, strict=True):
            causes = expense["runs"] or list(self.works)
            if run in causes:
                seconds = sum(self.works[each]["wall_seconds"] for each in causes)
                costs.append(scaled(cost, work["wall_seconds"] / seconds))
        return added(costs)


def added(costs: list[dict[str, float]]) -> dict[str, float]:
    names = {name: None for cost in costs for name in cost}
    return {name: sum(cost.get(name, 0) for cost in costs) for name in names}


def scaled(cost: dict[str, float], share: float) -> dict[str, float]:
    return {name: value * share for name, value in cost.items()}
