"""How fast a machine serves one member: what `farthing bench --serve` keeps, as an artifact.

Reading a prompt (prefill) and writing an answer (decode) are two different loads and cost different
amounts, so both stand here by themselves, for several numbers of sequences at once. Rates are
tokens of all sequences together per second of wall clock, each with the spread of its repeats.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from farthing.artifacts.manifest import Manifest
from farthing.artifacts.matrix import open_matrix
from farthing.artifacts.measurement import Figure, MachineFacts
from farthing.artifacts.work import Work

KIND = "serving"
SERVING_NAME = "serving.json"
SERVING_ROOM = "serving"


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Phase(_Form):
    """Prefill or decode at one batch size.

    Attributes:
        rate: token/s of all sequences together.
        tokens: of all timed repeats.
        work: what the timed repeats used; its energy is what a token's energy comes from.
    """

    rate: Figure
    tokens: int = Field(ge=1)
    work: Work

    @model_validator(mode="after")
    def _rate_of_tokens(self) -> Self:
        if self.rate.unit != "token/s" or self.rate.low <= 0:
            raise ValueError(f"{self.rate.low} {self.rate.unit} is no speed of tokens")
        return self


class ServingPoint(_Form):
    """So many sequences at once.

    Attributes:
        batch: sequences.
        prefill: reading the prompts, up to and with the first token of the answers.
        decode: writing the rest, one token of every sequence at a time.
    """

    batch: int = Field(ge=1)
    prefill: Phase
    decode: Phase


class ServingMeasurement(_Form):
    """Everything that one command measured.

    Attributes:
        command: what repeats it.
        date: UTC, ISO 8601, when it began.
        versions: farthing, torch, Python, and the operating system.
        machine: where.
        held_device: the kind of device that the run held and is billed for, as the book names it.
        held_devices: how many of them.
        supernet: content digest of the model that holds the member.
        shape, label: the member, in full and in short.
        active, total: its parameters.
        dtype: of the weights and products.
        text: which tokens the prompts were.
        prompt_tokens: of one prompt, the mark that opens a document included.
        new_tokens: of one answer, the first of them read off the prompt.
        threads: that torch used.
        neighbours_threads: hardware threads that other processes kept busy meanwhile, on average.
        points: one for each batch size, the smallest first.
    """

    command: str
    date: str
    versions: dict[str, str]
    machine: MachineFacts
    held_device: str
    held_devices: int = Field(ge=1)
    supernet: str
    shape: str
    label: str
    active: int = Field(ge=1)
    total: int = Field(ge=1)
    dtype: str
    text: str
    prompt_tokens: int = Field(ge=1)
    new_tokens: int = Field(ge=2)
    threads: int = Field(ge=1)
    neighbours_threads: float = Field(ge=0)
    points: tuple[ServingPoint, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        batches = [point.batch for point in self.points]
        if batches != sorted(set(batches)):
            raise ValueError(f"the batch sizes {batches} are not in order")
        return self


def open_serving(directory: Path) -> tuple[ServingMeasurement, Manifest]:
    """Read a measurement after comparing it with its digest.

    Raises:
        ArtifactError: it is missing, changed or damaged.
    """
    return open_matrix(directory, kind=KIND, name=SERVING_NAME, form=ServingMeasurement)
