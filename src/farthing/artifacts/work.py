"""What a piece of work used: the amounts that the book records and the bill adds up."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

EnergyMethod = Literal["rapl", "tdp_model", "none"]


class Work(BaseModel):
    """Amounts used between two moments of one process.

    Attributes:
        wall_seconds: time held, idle and start-up included.
        device_seconds: `wall_seconds` times the devices held (hardware threads on a CPU machine).
        cpu_seconds: processor time of the process and its finished children.
        tokens: tokens processed; zero for work on anything else.
        flops: exact model FLOPs, forward and backward (`farthing.cost.flops`), and once more what
            layers computed again to save memory.
        optimizer_flops: FLOPs of the optimizer's matrix products, beside `flops`.
        joules: energy at the machine's plug before any PUE, or None where nobody knows.
        energy_method: how `joules` was found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    wall_seconds: float
    device_seconds: float
    cpu_seconds: float
    tokens: int
    flops: float
    optimizer_flops: float
    joules: float | None
    energy_method: EnergyMethod

    def __add__(self, other: Work) -> Work:
        return self._combine(other, 1)

    def __sub__(self, other: Work) -> Work:
        return self._combine(other, -1)

    def _combine(self, other: Work, sign: int) -> Work:
        known = self.joules is not None and other.joules is not None
        return Work(
            wall_seconds=self.wall_seconds + sign * other.wall_seconds,
            device_seconds=self.device_seconds + sign * other.device_seconds,
            cpu_seconds=self.cpu_seconds + sign * other.cpu_seconds,
            tokens=self.tokens + sign * other.tokens,
            flops=self.flops + sign * other.flops,
            optimizer_flops=self.optimizer_flops + sign * other.optimizer_flops,
            joules=(self.joules or 0.0) + sign * (other.joules or 0.0) if known else None,
            energy_method=self.energy_method if known else "none",
        )
