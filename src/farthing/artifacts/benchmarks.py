"""Benchmark scores: what `evaluate --benchmarks` found about the members of one family."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from farthing.artifacts.manifest import Manifest
from farthing.artifacts.matrix import open_matrix

KIND = "benchmarks"
BENCHMARKS_NAME = "benchmarks.json"


class Published(BaseModel):
    """What somebody else measured on the same benchmark, with where to read it.

    Attributes:
        model: whose figure it is, with its size.
        accuracy: from 0 to 1.
        source: where it was read.
        note: what differs from our protocol (all items or a sample, prompt form), or "".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    accuracy: float
    source: str
    note: str


class Benchmark(BaseModel):
    """One set of questions, as it was asked.

    Attributes:
        name: short name, such as `blimp`.
        title: for people.
        language: as in documents: `en`, `zh`.
        form: how a question is asked.
        metric: the accuracy that the field quotes: plain, or per character of the choice.
        items: questions asked.
        shortened: of these, how many lost the start of a context that the model cannot see whole.
        chance: accuracy of guessing.
        file: name of the file read.
        file_digest: SHA-256 of that file.
        definition_digest: SHA-256 of the definition: prompt, fields, what is left out.
        complete: whether the whole published set was asked; False for the embedded sample, for a
            file that holds a part, and where a limit left questions out.
        source: where the questions come from, and which part of them this is.
        licence: of the questions.
        hub_dataset: the data set's id on the Hugging Face hub, where it has one.
        published: figures of others.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    language: str
    form: Literal["minimal_pairs", "multiple_choice"]
    metric: Literal["acc", "acc_norm"]
    items: int
    shortened: int
    chance: float
    file: str
    file_digest: str
    definition_digest: str
    complete: bool
    source: str
    licence: str
    hub_dataset: str | None
    published: tuple[Published, ...]


class BenchmarkScore(BaseModel):
    """One member on one benchmark.

    Attributes:
        acc: share of questions whose right choice is strictly likelier than every other.
        acc_stderr: its standard error.
        acc_norm: the same with log-likelihoods per character; None for minimal pairs.
        acc_norm_stderr: its standard error.
        ties: questions where the right choice was only as likely as another: never counted right.
        groups: the accuracy that the benchmark quotes (`acc_norm` where its metric is that, else
            `acc`) by part (paradigm, subject), where the benchmark has parts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    acc: float
    acc_stderr: float
    acc_norm: float | None
    acc_norm_stderr: float | None
    ties: int
    groups: dict[str, float]

    def headline(self, metric: Literal["acc", "acc_norm"]) -> tuple[float, float]:
        """The accuracy that the field quotes, and its standard error."""
        if metric == "acc_norm" and self.acc_norm is not None and self.acc_norm_stderr is not None:
            return self.acc_norm, self.acc_norm_stderr
        return self.acc, self.acc_stderr


class MemberBenchmarks(BaseModel):
    """One member: canonical shape, short name, and its score by benchmark name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: str
    label: str
    scores: dict[str, BenchmarkScore]


class BenchmarkMatrix(BaseModel):
    """All members on all benchmarks of one evaluation.

    Attributes:
        supernet: content digest of the model.
        benchmarks: what was asked, in the order asked.
        members: in the order scored.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    supernet: str
    benchmarks: tuple[Benchmark, ...]
    members: tuple[MemberBenchmarks, ...]


def open_benchmarks(directory: Path) -> tuple[BenchmarkMatrix, Manifest]:
    """Read benchmark scores after comparing them with their digest.

    Raises:
        ArtifactError: they are missing, changed or damaged.
    """
    return open_matrix(directory, kind=KIND, name=BENCHMARKS_NAME, form=BenchmarkMatrix)
