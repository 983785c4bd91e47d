"""The energy of a process, load by load: what sensors read, and a model for the rest.

Three times have no sensor: start-up, before the sensors were made; everything after a sensor was
lost; and loads that never had one. There a load draws the catalogue's watts for as long as it is
held. Held, not busy, because an idle device still draws power and nobody else can use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farthing.artifacts.work import EnergyPart, PartMethod, Work, joules_of, method_of
from farthing.errors import SensorLostError
from farthing.hardware.sensors.counter import NO_ENERGY, SensorEnergy
from farthing.hardware.sensors.find import Load

_Name = tuple[str, PartMethod]

_NOTE_LENGTH = 500


@dataclass(frozen=True)
class EnergyTotals:
    """Running totals by load and method; of method `none`, seconds of which nobody knows them."""

    parts: Mapping[_Name, SensorEnergy]

    def since(self, earlier: EnergyTotals) -> tuple[EnergyPart, ...]:
        """The parts of the energy between two moments; those that did not change are left out."""
        found = {
            name: _difference(total, earlier.parts.get(name, NO_ENERGY))
            for name, total in self.parts.items()
        }
        changed = {name: each for name, each in found.items() if each != NO_ENERGY}
        some = changed or {
            name: each for name, each in list(found.items())[:1] if name[1] != "none"
        }
        return tuple(_part(name, each) for name, each in some.items())

    def shifted(self, earlier: EnergyTotals, later: EnergyTotals) -> EnergyTotals:
        """These totals and what was added between two moments: to leave that time out."""
        parts = dict(self.parts)
        for name, end in later.parts.items():
            begin, mine = earlier.parts.get(name, NO_ENERGY), parts.get(name, NO_ENERGY)
            parts[name] = SensorEnergy(
                mine.joules + end.joules - begin.joules,
                mine.low_joules + end.low_joules - begin.low_joules,
                mine.high_joules + end.high_joules - begin.high_joules,
            )
        return EnergyTotals(parts)


class EnergyMeter:
    """Reads every load; a sensor that is lost is noted and never ends anything."""

    def __init__(self, loads: Sequence[Load], *, started_seconds: float) -> None:
        """Begin.

        Args:
            loads: what draws power. Their sensors have just been made.
            started_seconds: seconds that had passed before.
        """
        self._lines = [_Line(load, started_seconds) for load in loads]
        self._notes: list[str] = []

    @property
    def modelled(self) -> bool:
        """Whether all is one load that has no sensor: its work needs no parts to be told apart."""
        return len(self._lines) == 1 and self._lines[0].load.sensor is None

    @property
    def sensed(self) -> bool:
        """Whether any sensor still answers."""
        return any(line.sensed for line in self._lines)

    def read(self, seconds: float, busy_seconds: float) -> EnergyTotals:
        """All energy since the beginning.

        Args:
            seconds: held so far.
            busy_seconds: of hardware threads so far: what the model's low figures rest on.
        """
        parts: dict[_Name, SensorEnergy] = {}
        for line in self._lines:
            try:
                parts.update(line.read(seconds, busy_seconds))
            except Exception as error:  # noqa: BLE001 - a sensor's fault ends no run; it is told
                line.give_up()
                self._notes.append(
                    f"{line.load.covers}: {_what_failed(error)}; measured for "
                    f"{line.read_at:.0f} s, estimated from there on"
                )
                parts.update(line.read(seconds, busy_seconds))
        return EnergyTotals(parts)

    def take_notes(self) -> tuple[str, ...]:
        """What happened to sensors since this was asked before."""
        notes, self._notes = tuple(self._notes), []
        return notes


class _Line:
    """One load: its sensor while it answers, and the seconds that the model has to fill."""

    def __init__(self, load: Load, started_seconds: float) -> None:
        self.load = load
        self.sensed = load.sensor is not None
        self.read_at = started_seconds
        self._started = started_seconds if load.sensor is not None else 0.0
        self._last = NO_ENERGY

    def give_up(self) -> None:
        """What was read stands; the model begins at the last reading."""
        self.sensed = False

    def read(self, seconds: float, busy_seconds: float) -> dict[_Name, SensorEnergy]:
        """Running totals, by method."""
        found: dict[_Name, SensorEnergy] = {}
        modelled = self._started
        if self.sensed and self.load.sensor is not None:
            self._last = self.load.sensor.energy()
            self.read_at = seconds
        elif self.load.sensor is not None:
            modelled += seconds - self.read_at
        else:
            modelled = seconds
        if self.load.sensor is not None:
            found[self.load.covers, self.load.sensor.method] = self._last
        if modelled > 0 or self.load.sensor is None:
            share = modelled / seconds if seconds > 0 else 0.0
            found.update(self._model(modelled, share * busy_seconds))
        return found

    def _model(self, seconds: float, busy_seconds: float) -> dict[_Name, SensorEnergy]:
        watts, covers = self.load.watts, self.load.covers
        if watts is None:
            return {(covers, "none"): SensorEnergy(seconds, seconds, seconds)}
        joules = watts.value * seconds
        low = min(joules, self.load.busy_watts * busy_seconds)
        return {(covers, "tdp_model"): SensorEnergy(joules, low, watts.high * seconds)}


def with_energy(work: Work, parts: tuple[EnergyPart, ...], *, told_apart: bool) -> Work:
    """The work with the energy of its parts; without the parts themselves unless `told_apart`."""
    return work.with_energy(joules_of(parts), method_of(parts), parts if told_apart else ())


def _what_failed(error: Exception) -> str:
    if isinstance(error, SensorLostError):
        return error.what
    return f"the sensor failed ({type(error).__name__}: {error})"[:_NOTE_LENGTH]


def _difference(total: SensorEnergy, earlier: SensorEnergy) -> SensorEnergy:
    joules = total.joules - earlier.joules
    return SensorEnergy(
        joules,
        # Totals of estimates are bounded as wholes; over a short time a bound can lag behind.
        max(0.0, min(joules, total.low_joules - earlier.low_joules)),
        max(joules, total.high_joules - earlier.high_joules),
    )


def _part(name: _Name, energy: SensorEnergy) -> EnergyPart:
    covers, method = name
    known = method != "none"
    return EnergyPart(
        covers=covers,
        method=method,
        joules=energy.joules if known else None,
        low_joules=energy.low_joules if known else None,
        high_joules=energy.high_joules if known else None,
    )
