"""What a benchmark is: which file, which fields, how a line becomes a question; data, not code.

The definitions that ship stand in `benchmarks/NAME.yaml`; a user's own stand beside the data.
"""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.config import Config, parse_config
from farthing.artifacts.yaml_reader import read_yaml
from farthing.errors import ConfigError
from farthing.stages.evaluate.template import field_paths

_REMEDY = "correct the YAML there; docs/benchmarks.md has an example that works"


class Answer(Config):
    """Where a line says which choice is right."""

    field: str = Field(description="the field that tells the right choice")
    labels: tuple[str, ...] = Field(
        default=(),
        description="what the field says for the first choice, the second, ...; "
        "left out: its number, from 0",
    )
    labels_field: str | None = Field(
        default=None, description="the field that lists the labels, where each line has its own"
    )


class Substitution(Config):
    """One clean-up of a text."""

    pattern: str = Field(description="a regular expression")
    by: str = Field(description="what takes the place of each match")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        return _checked_pattern(pattern)

    @model_validator(mode="after")
    def _replaces(self) -> Self:
        try:
            re.sub(self.pattern, self.by, "")
        except (re.error, IndexError) as error:
            raise ValueError(
                f"{self.by!r} cannot take the place of {self.pattern!r}: {error}"
            ) from error
        return self


class LeaveOut(Config):
    """Lines that are not asked, and why."""

    field: str = Field(description="the field that decides")
    pattern: str = Field(description="a regular expression that its whole value matches")
    reason: str = Field(min_length=1, description="why, as in `with several right answers`")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        return _checked_pattern(pattern)


class Searched(Config):
    """How text that is not our prompt holds a question: what curation clears training text of."""

    questions: tuple[str, ...] = Field(
        default=(),
        description="templates of the question in each form that is looked for, the barest last; "
        "left out: the fields of the context",
    )
    answers: tuple[tuple[str, ...], ...] = Field(
        default=(), description="for each choice, the texts that give it away"
    )
    answers_field: str | None = Field(
        default=None,
        description="the field that lists the texts of the choices, where those are letters",
    )
    passage: str = Field(
        default="",
        description="template of the text that is asked about: alone it gives nothing away",
    )

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.answers and self.answers_field:
            raise ValueError("give either `answers` or `answers_field`")
        for template in (*self.questions, self.passage):
            field_paths(template)
        return self


class PublishedFigure(Config):
    """What somebody else measured."""

    model: str = Field(min_length=1, description="whose figure it is, with its size")
    accuracy: float = Field(ge=0, le=1, description="from 0 to 1")
    source: str = Field(min_length=1, description="where it was read")
    note: str = Field(default="", description="what differs from our protocol")


class BenchmarkDefinition(Config):
    """A benchmark: its file, how a line becomes a question, and where it comes from."""

    name: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_]{0,39}$", description="short name, the stem of the data file"
    )
    title: str = Field(min_length=1, description="for people")
    language: str = Field(min_length=1, description="as in documents: en, zh")
    form: Literal["minimal_pairs", "multiple_choice"] = Field(description="how it is asked")
    metric: Literal["acc", "acc_norm"] = Field(
        default="acc",
        description="the accuracy to quote: plain, or per character of the choice",
    )
    files: tuple[str, ...] = Field(
        default=(), description="stems of the data file, where it is not called as the benchmark"
    )
    partial_files: tuple[str, ...] = Field(
        default=(), description="those of the files that hold only a part of the published set"
    )
    context: str = Field(default="", description="template of what stands before the choice")
    contexts: tuple[str, ...] = Field(
        default=(), description="one template per choice, where the contexts are what differs"
    )
    choices: tuple[str, ...] = Field(default=(), description="one template per choice")
    choices_field: str | None = Field(
        default=None, description="the field that lists the choices, instead of `choices`"
    )
    delimiter: str = Field(default=" ", description="stands between a context and a choice")
    clean: tuple[Substitution, ...] = Field(
        default=(), description="applied in order to every context and choice"
    )
    words: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="by field: what is read for each of its values"
    )
    answer: Answer | None = Field(
        default=None, description="which choice is right; of a minimal pair the first"
    )
    group: str = Field(default="", description="template of the part that a question belongs to")
    leave_out: tuple[LeaveOut, ...] = Field(default=(), description="lines that are not asked")
    search: Searched = Field(
        default=Searched(),
        description="what curation looks for, where context and choices are not the question's "
        "and the answer's own words",
    )
    source: str = Field(min_length=1, description="where the questions come from")
    licence: str = Field(min_length=1, description="of the questions")
    hub_dataset: str | None = Field(
        default=None, description="the data set's id on the Hugging Face hub, where it has one"
    )
    published: tuple[PublishedFigure, ...] = Field(default=(), description="figures of others")

    @model_validator(mode="after")
    def _is_a_question(self) -> Self:
        if bool(self.choices) == bool(self.choices_field):
            raise ValueError("give either `choices` or `choices_field`")
        pairs = self.form == "minimal_pairs"
        if pairs and (len(self.choices) != 2 or self.answer or self.metric != "acc"):
            raise ValueError(
                "minimal_pairs has two `choices`, the right one first, no `answer`, metric acc"
            )
        if not pairs and self.answer is None:
            raise ValueError("multiple_choice needs `answer`: which choice is right")
        if self.contexts and (len(self.choices) != 1 or self.context or self.metric != "acc"):
            raise ValueError("`contexts` goes with one choice, no `context`, metric acc")
        if strangers := [stem for stem in self.partial_files if stem not in self.stems]:
            raise ValueError(f"`partial_files` names {strangers[0]!r}, which `files` does not")
        for template in (self.context, *self.contexts, *self.choices, self.group):
            field_paths(template)
        self._check_search()
        return self

    def _check_search(self) -> None:
        if self.search != Searched() and (self.form == "minimal_pairs" or self.contexts):
            raise ValueError("`search` goes with one context and several choices")
        if self.search.answers and len(self.search.answers) != len(self.choices):
            raise ValueError("`search.answers` has a list for each of `choices`")

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides what a model is asked: not of what curation looks for."""
        return digest_json(self.model_dump(mode="json", exclude={"search"}))

    @property
    def stems(self) -> tuple[str, ...]:
        """What the data file may be called, before `.jsonl`, the preferred name first."""
        return self.files or (self.name,)

    @property
    def joint(self) -> str:
        """What stands between context and choice: nothing where there is no context."""
        return self.delimiter if self.context or self.contexts else ""

    @property
    def has_acc_norm(self) -> bool:
        """Whether choices are compared per character too: not where they are sentences alone."""
        return self.form == "multiple_choice" and not self.contexts

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that a line must have."""
        found = [
            path
            for template in (self.context, *self.contexts, *self.choices, self.group)
            for path in field_paths(template)
        ]
        found += [self.choices_field] if self.choices_field else []
        if self.answer:
            found.append(self.answer.field)
            found += [self.answer.labels_field] if self.answer.labels_field else []
        found += [rule.field for rule in self.leave_out]
        return tuple(dict.fromkeys(found))


def shipped_definitions() -> dict[str, BenchmarkDefinition]:
    """The benchmarks that farthing knows, by name: minimal pairs first, then by language."""
    folder = resources.files(__package__) / "benchmarks"
    found = [
        _read(file.read_text(encoding="utf-8"), f"benchmark {file.name}")
        for file in folder.iterdir()
        if file.name.endswith(".yaml")
    ]
    found.sort(key=lambda one: (one.form != "minimal_pairs", one.language, one.name))
    return {one.name: one for one in found}


def own_definitions(folder: Path) -> dict[str, BenchmarkDefinition]:
    """The benchmarks that the `.yaml` files of `folder` define, by name.

    Raises:
        ConfigError: a file cannot be read, or is no definition, or is called otherwise.
    """
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        try:
            text = path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path} cannot be read: {error}", remedy="save it as UTF-8 text"
            ) from error
        definition = _read(text, str(path))
        if definition.name != path.stem:
            raise ConfigError(
                f"{path} defines the benchmark {definition.name!r}",
                remedy=f"call the file {definition.name}.yaml, or set name: {path.stem}",
            )
        found[definition.name] = definition
    return found


def _read(text: str, where: str) -> BenchmarkDefinition:
    data = read_yaml(text, where=where, remedy=_REMEDY)
    return parse_config(BenchmarkDefinition, data, where=where)


def _checked_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r:.60} is no regular expression: {error}") from error
    return pattern
