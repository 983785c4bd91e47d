"""What every check shares: reading a folder of cases, and a table that ends in an exit code.

Plain Python, because the environments have nothing else in common.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """A member that `make_cases.py` made: its folder, and what farthing says about it."""

    name: str
    member: Path
    expected: dict
    expected_tensors: Path


@dataclass
class Report:
    """Rows of (case, check, difference, ok), printed as they come."""

    failures: int = 0
    worst: dict = field(default_factory=dict)

    def add(self, case: str, check: str, ok: bool, found: str = "") -> None:
        """Print one row."""
        self.failures += not ok
        print(f"{case:<18} {check:<28} {found:<34} {'ok' if ok else 'FAILED'}", flush=True)

    def below(self, case: str, check: str, value: float, limit: float) -> None:
        """A row about a number that must not reach `limit` (NaN never does)."""
        self.worst[check] = max(self.worst.get(check, 0.0), value)
        self.add(case, check, value < limit, f"{value:.2e} < {limit:g}")

    def equal(self, case: str, check: str, found: object, expected: object) -> None:
        """A row about two values that must be the same."""
        ok = found == expected
        self.add(case, check, ok, "" if ok else f"{str(found)[:60]} is not {str(expected)[:60]}")

    def close(self) -> int:
        """Print the largest differences; return the exit code."""
        for check, value in self.worst.items():
            print(f"largest: {check} {value:.2e}")
        print("all checks passed" if not self.failures else f"{self.failures} checks FAILED")
        return 1 if self.failures else 0


def open_cases(folder: Path) -> list[Case]:
    """Every case in `folder`, by name; none is an error."""
    found = [
        Case(
            path.name,
            path / "member",
            json.loads((path / "expected.json").read_text(encoding="utf-8")),
            path / "expected.safetensors",
        )
        for path in sorted(folder.iterdir())
        if (path / "expected.json").is_file()
    ]
    assert found, f"{folder} holds no case: run make_cases.py first"
    return found
