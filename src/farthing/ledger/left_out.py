"""What no figure of a bill contains: some of it never, some of it until somebody gives a rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from farthing.artifacts.settings import WorkspaceSettings
from farthing.hardware.catalogue import Catalogue, read_catalogue
from farthing.ledger.accounts import RunAccount
from farthing.ledger.embodied import why_no_embodied
from farthing.ledger.entry_ref import numbers_text
from farthing.ledger.figures import Rates
from farthing.ledger.rates import Pricing
from farthing.ledger.water import site_rates

_ALWAYS = (
    "staff time",
    "installation and downloads",
    "interactive generation and serving",
    "idle time between commands, but for what the book says was held, and what a command does "
    "after its last run has ended",
    "network and storage, but for what an expense of the book names",
    "memory, disks, fans and power supplies beyond what the energy method covers",
    "prior research, and other work outside this workspace: the book covers logged work only",
)


def left_out(
    pricing: Pricing, runs: Sequence[RunAccount], settings: WorkspaceSettings, root: Path
) -> tuple[str, ...]:
    """What no figure of a bill of this book contains, with how to give what can be given.

    Args:
        pricing: the rates of each run.
        runs: of the book.
        settings: `farthing.yaml`, which says why a rate is missing.
        root: of the workspace.

    Raises:
        UnknownHardwareError: `settings` name a site or a water that the catalogue lacks.
        ConfigError: what the user added to the catalogue is wrong.
    """
    if pricing.settings is None:
        missing = _Missing({}, None, pricing, runs)
    else:
        catalogue = read_catalogue(root)
        reasons = site_rates(settings, catalogue).unknown
        missing = _Missing(dict(reasons), catalogue, pricing, runs)
    return (*_ALWAYS, *missing.embodied(), *missing.water(), *missing.pue())


@dataclass(frozen=True)
class _Missing:
    """The rates that some run has not, in words.

    Attributes:
        reasons: why, by the name of the rate, as `farthing.yaml` stands; empty where only the book
            may speak.
        catalogue: says why devices are unknown; None where only the book may speak.
        pricing: the rates of each run.
        runs: of the book.
    """

    reasons: dict[str, str]
    catalogue: Catalogue | None
    pricing: Pricing
    runs: Sequence[RunAccount]

    def embodied(self) -> Iterable[str]:
        """Embodied carbon, once for each kind of device without a rate."""
        devices: dict[tuple[str, str | None], list[int]] = {}
        for run in self.runs:
            machine = run.start.machine
            rates = self.pricing.declared(run.start.run)
            if rates.footprint.of_device(machine.accelerator) is None:
                kind = machine.device, machine.accelerator
                devices.setdefault(kind, []).append(run.start.run)
        for (device, accelerator), numbers in devices.items():
            why = "the book holds no rate for it"
            if self.catalogue is not None:
                why = why_no_embodied(self.catalogue, accelerator)
            yield f"embodied carbon of {device}{self._of(numbers)}: {why}"

    def water(self) -> Iterable[str]:
        """Water, by the part that is missing: the sum is unknown with it."""
        for name, what, wanted in _WATER:
            if numbers := self._without(wanted):
                why = self.reasons.get(name, f"{what}: the book holds no rate for it")
                yield f"water{self._of(numbers)}, all of it as long as one part is unknown: {why}"

    def pue(self) -> Iterable[str]:
        """Cooling and power distribution."""
        if numbers := self._without(lambda rates: rates.pue):
            why = self.reasons.get("pue", "PUE: not set").replace("PUE: not set", "PUE is not set")
            yield (
                f"cooling and power distribution{self._of(numbers)}: this is IT energy only, {why}"
            )

    def _without(self, wanted: Callable[[Rates], object]) -> list[int]:
        numbers = (run.start.run for run in self.runs)
        return [run for run in numbers if wanted(self.pricing.declared(run)) is None]

    def _of(self, numbers: Sequence[int]) -> str:
        """Which runs, where it is not all of them."""
        return f" of runs {numbers_text(numbers)}" if len(numbers) < len(self.runs) else ""


_WATER: tuple[tuple[str, str, Callable[[Rates], object]], ...] = (
    ("water_site", "water at the site", lambda rates: rates.footprint.water_site),
    (
        "water_source",
        "water of making the electricity",
        lambda rates: rates.footprint.water_source,
    ),
)
