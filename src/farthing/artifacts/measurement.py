"""What `farthing bench` measured on one machine: a file that a hardware catalogue can take in.

    {"kind": "measurement", "digest": SHA-256 of the canonical JSON of what follows,
     "measurement": {"machine": ..., "products": [...], "copies": [...], "threads": [...],
                     "step": {...}, ...}}

Every measured figure carries unit, provenance, source and the spread of its repeats; what is
derived from two of them (a share, a floor) is a plain number beside them.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.storage import write_atomic
from farthing.errors import ArtifactError
from farthing.quantity import Provenance, Quantity

KIND = "measurement"

Unit = Literal["FLOP/s", "B/s", "s", "token/s"]
Limit = Literal["FLOPs", "bytes"]
Basis = Literal["wall clock", "processor time"]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Figure(_Form):
    """One measured quantity: the median of its repeats, and the least and the most of them."""

    value: float = Field(ge=0)
    unit: Unit
    provenance: Literal["measured"] = "measured"
    source: str = Field(min_length=1)
    low: float = Field(ge=0)
    high: float
    repeats: int = Field(ge=1)

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.value} {self.unit} is outside [{self.low}, {self.high}]")
        return self

    @classmethod
    def of(cls, repeats: Sequence[float], unit: Unit, source: str) -> Figure:
        """The figure that these repeats give."""
        return cls(
            value=statistics.median(repeats),
            unit=unit,
            source=source,
            low=min(repeats),
            high=max(repeats),
            repeats=len(repeats),
        )

    def quantity(self) -> Quantity:
        """The same as the rest of farthing reckons with it."""
        return Quantity(
            value=self.value,
            unit=self.unit,
            provenance=Provenance.MEASURED,
            source=self.source,
            low=self.low,
            high=self.high,
        )


class MachineFacts(_Form):
    """Which machine it was.

    Attributes:
        id: the stable short mark that the book uses.
        name: the processor, as bills name it.
        hardware_threads: how many of them the process could use.
        device: what the products and the step ran on, `cpu` or an accelerator's type.
        device_name: as its driver names it; the processor's name for `cpu`.
    """

    id: str
    name: str
    hardware_threads: int = Field(ge=1)
    device: str
    device_name: str


class ProductPeak(_Form):
    """The fastest square matrix product of one dtype, `size` x `size`, on `threads` threads."""

    dtype: str
    size: int = Field(ge=1)
    threads: int = Field(ge=1)
    rate: Figure


class CopySpeed(_Form):
    """Copying between two buffers of `touched_bytes` together: bytes read plus bytes written."""

    touched_bytes: int = Field(ge=2)
    threads: int = Field(ge=1)
    rate: Figure


class ThreadCount(_Form):
    """One step of the sub-model `shape` on some number of threads: wall clock, processor time."""

    threads: int = Field(ge=1)
    shape: str
    wall: Figure
    cpu: Figure


class PartOfStep(_Form):
    """One part of the training step, measured alone, forward and backward.

    Attributes:
        name: `attention`, `router`, ...
        wall, cpu: seconds in one step, all layers and micro-batches together.
        share: of the whole step, on the step's basis.
        flops: counted, of one step; 0 where it has no matrix product.
        bytes: the least memory traffic of one step (`farthing.cost.traffic`).
        dtype: what its products are computed in.
        floor_seconds: the larger of FLOPs over measured peak and bytes over measured bandwidth;
            None where neither is meant to bound it.
        limit: which of the two it is.
    """

    name: str
    wall: Figure
    cpu: Figure
    share: float
    flops: float = Field(ge=0)
    bytes: float = Field(ge=0)
    dtype: str
    floor_seconds: float | None
    limit: Limit | None


class StepFacts(_Form):
    """The training step of a recipe.

    Attributes:
        recipe: its name.
        recipe_digest: SHA-256 of its canonical JSON, overrides included.
        shapes: the sub-models that the measured steps trained, one entry for each step; those of
            several passes are joined by ` + `, and the parts are of all passes.
        left_out: what the steps did that no part holds, in words; it stands in `rest_seconds`.
        text: which tokens were read.
        tokens: of one step.
        precision: of the matrix products.
        kernels: which ones ran.
        compiled: whether the whole step ran compiled (its parts never do).
        threads: of the figures below.
        basis: which clock shares, utilisations, floors and peaks go by. Processor time for one
            CPU thread: it is the wall clock less the waiting for other processes.
        wall, cpu: seconds of one step, a mean over `shapes`.
        tokens_per_second, tokens_per_cpu_second: by wall clock and by processor time.
        flops, optimizer_flops: of one step, counted; a mean over `shapes`.
        peak_dtype: of the measured product that the utilisations divide by.
        utilisation: model FLOPs of a second over that peak (MFU).
        utilisation_with_optimizer: the optimizer's products included.
        parts: measured alone.
        rest_seconds: the step less its parts, on the basis: what they leave out; negative where
            they take longer alone than together.
        floor_seconds: the sum of the parts' floors.
        elastic_share: the draw of a shape and its expert selections, over the whole step.
    """

    recipe: str
    recipe_digest: str
    shapes: tuple[str, ...] = Field(min_length=1)
    left_out: str = ""
    text: str
    tokens: int = Field(ge=1)
    precision: str
    kernels: str
    compiled: bool
    threads: int = Field(ge=1)
    basis: Basis
    wall: Figure
    cpu: Figure
    tokens_per_second: Figure
    tokens_per_cpu_second: Figure
    flops: float = Field(gt=0)
    optimizer_flops: float = Field(ge=0)
    peak_dtype: str
    utilisation: float = Field(gt=0)
    utilisation_with_optimizer: float = Field(gt=0)
    parts: tuple[PartOfStep, ...]
    rest_seconds: float
    floor_seconds: float = Field(gt=0)
    elastic_share: float = Field(ge=0)

    @model_serializer(mode="wrap")
    def _as_before_where_nothing_is_left_out(
        self, dump: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        # Files older than `left_out` lack it, and their digests are over what they hold.
        data: dict[str, Any] = dump(self)
        if not self.left_out:
            del data["left_out"]
        return data


class Measurement(_Form):
    """Everything that one command measured.

    Attributes:
        command: what repeats it.
        date: UTC, ISO 8601, when it began.
        versions: farthing, torch, Python, and the operating system.
        machine: where.
        neighbours_threads: hardware threads that other processes of the machine kept busy
            meanwhile, on average; anything but little makes the figures too slow.
        products: matrix products, one entry for each dtype that the device takes.
        not_measured: dtype -> why the device took no product of it.
        copies: from cache-sized to memory-sized.
        threads: the step on each number of threads that was tried.
        step: the training step, by part.
        taken_seconds: of the whole command.
    """

    command: str
    date: str
    versions: dict[str, str]
    machine: MachineFacts
    neighbours_threads: float = Field(ge=0)
    products: tuple[ProductPeak, ...] = Field(min_length=1)
    not_measured: dict[str, str]
    copies: tuple[CopySpeed, ...] = Field(min_length=1)
    threads: tuple[ThreadCount, ...] = Field(min_length=1)
    step: StepFacts
    taken_seconds: float = Field(gt=0)

    def seconds(self, of: PartOfStep | StepFacts) -> Figure:
        """The seconds of a part or of the whole step on the step's basis."""
        return of.cpu if self.step.basis == "processor time" else of.wall

    def peak(self, dtype: str) -> ProductPeak:
        """The product of `dtype`.

        Raises:
            KeyError: it was not measured.
        """
        found = {product.dtype: product for product in self.products}
        return found[dtype]

    def to_json(self) -> dict[str, Any]:
        """The content of the file."""
        body = self.model_dump(mode="json")
        return {"kind": KIND, "digest": digest_json(body), "measurement": body}


def save_measurement(measurement: Measurement, path: Path) -> None:
    """Write the file in one step.

    Raises:
        WorkspaceError: the disk refused.
    """
    text = json.dumps(measurement.to_json(), indent=1, ensure_ascii=False) + "\n"
    write_atomic(path, text.encode())


def load_measurement(path: Path) -> Measurement:
    """Read a measurement after comparing it with its digest.

    Raises:
        ArtifactError: it is missing, of another kind, changed or damaged.
    """
    remedy = "name a file that `farthing bench` wrote, or measure again"
    try:
        data = json.loads(path.read_bytes())
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise ArtifactError(f"there is no measurement {path}", remedy=remedy) from error
    except ValueError as error:
        raise ArtifactError(f"{path} is no JSON: {error}", remedy=remedy) from error
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise ArtifactError(f"{path} is no measurement", remedy=remedy)
    try:
        found = Measurement.model_validate(data.get("measurement"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        what = f"{path} cannot be read: {where}: {first['msg']}"
        raise ArtifactError(what, remedy=remedy) from error
    if found.to_json() != data:
        raise ArtifactError(f"{path} was changed: its digest does not fit", remedy=remedy)
    return found
