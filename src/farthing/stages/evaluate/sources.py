"""Finding the benchmarks that a configuration asks for, and reading all of them before any is used.

folder/blimp.jsonl.gz          a benchmark that farthing knows
folder/mine.jsonl, mine.yaml   one's own: the data and its definition
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from farthing.artifacts.canonical import sha256_hex
from farthing.artifacts.yaml_reader import read_yaml
from farthing.errors import ConfigError, CorpusError
from farthing.stages.evaluate.benchmark_config import QuestionsConfig
from farthing.stages.evaluate.definition import (
    BenchmarkDefinition,
    own_definitions,
    shipped_definitions,
)
from farthing.stages.evaluate.encoding import EncodedQuestions, encode_questions
from farthing.stages.evaluate.questions import SUFFIXES, QuestionSet, read_questions
from farthing.text.tokenizer import Tokenizer

SAMPLE = Path(__file__).parent / "sample"
_PARTS = "parts.yaml"
_TOO_LONG = "with a choice longer than the model's context"


@dataclass(frozen=True)
class AskedBenchmark:
    """One benchmark, ready to be asked.

    Attributes:
        definition: what it is.
        file: name of the file read.
        file_digest: SHA-256 of that file.
        encoded: the questions, as text and as tokens.
        part: which part of the published set the file holds; None where it holds all of it.
        asked: which questions that is, in words.
        complete: whether it is the whole published set, but for what its definition leaves out
            and what no context of the model holds.
    """

    definition: BenchmarkDefinition
    file: str
    file_digest: str
    encoded: EncodedQuestions
    part: str | None
    asked: str
    complete: bool

    @property
    def inputs(self) -> dict[str, str | None]:
        """What decides the answers besides settings and model, as JSON values."""
        return {
            "definition": self.definition.digest,
            "file": self.file_digest,
            "part": self.part,
        }


def read_benchmarks(
    config: QuestionsConfig, tokenizer: Tokenizer, context: int
) -> tuple[AskedBenchmark, ...]:
    """Every benchmark that `config` asks for, checked to the last line.

    Args:
        config: which, and how many questions of each.
        tokenizer: of the model.
        context: tokens that the model sees.

    Raises:
        ConfigError: a benchmark that nobody defined, or without a file; a wrong definition.
        CorpusError: a file cannot be read, or a line is not what its definition expects.
    """
    return tuple(
        _read(definition, path, config, tokenizer, context) for definition, path in _find(config)
    )


def benchmark_digests(config: QuestionsConfig) -> dict[str, tuple[str, str]]:
    """By benchmark that `config` asks for, the digests of its definition and of its file.

    The lines of the file are not looked at.

    Raises:
        ConfigError: a benchmark that nobody defined, or without a file; a wrong definition.
        CorpusError: a file cannot be read.
    """
    return {
        definition.name: (definition.digest, sha256_hex(_bytes(path)))
        for definition, path in _find(config)
    }


def _read(
    definition: BenchmarkDefinition,
    path: Path,
    config: QuestionsConfig,
    tokenizer: Tokenizer,
    context: int,
) -> AskedBenchmark:
    data = _bytes(path)
    found = read_questions(data, path, definition, config.limit)
    encoded = encode_questions(
        found.questions, definition.joint, tokenizer, context, where=str(path)
    )
    if len(encoded.questions) < 2:
        raise CorpusError(
            f"{path}: {encoded.too_long} of {len(found.questions)} questions have a choice of "
            f"more than {context} tokens, which is all that the model sees",
            remedy=f"leave {definition.name} out (--benchmark names the others), or ask a model "
            "with a longer context",
        )
    asked = _in_words(found, encoded)
    part = _part(config, definition, path)
    return AskedBenchmark(
        definition=definition,
        file=path.name,
        file_digest=sha256_hex(data),
        encoded=encoded,
        part=part,
        asked=f"{part}; {asked}" if part else asked,
        complete=part is None and len(found.questions) == found.of,
    )


def _part(config: QuestionsConfig, definition: BenchmarkDefinition, path: Path) -> str | None:
    """Which part of the published set the file holds; None where it holds all of it."""
    if config.folder is not None:
        stem = path.name.rpartition(SUFFIXES[0])[0]
        return "a part of the published set" if stem in definition.partial_files else None
    parts = read_yaml((SAMPLE / _PARTS).read_text(encoding="utf-8"), where=_PARTS)
    return f"the embedded sample, {parts[definition.name]}"


def _in_words(found: QuestionSet, encoded: EncodedQuestions) -> str:
    chosen = len(found.questions)
    words = (
        f"all {found.of} questions of the file"
        if chosen == found.of
        else f"{chosen} of the file's {found.of} questions, evenly spread"
    )
    left_out = dict(found.left_out) | ({_TOO_LONG: encoded.too_long} if encoded.too_long else {})
    if left_out:
        reasons = (f"{count} {reason}" for reason, count in left_out.items())
        words += f"; left out: {', '.join(reasons)}"
    return words


def _find(config: QuestionsConfig) -> Iterator[tuple[BenchmarkDefinition, Path]]:
    """Definition and file of each benchmark asked for."""
    folder = SAMPLE if config.folder is None else Path(config.folder)
    if not folder.is_dir():
        raise CorpusError(
            f"{folder} is no folder", remedy="name the folder that holds the benchmarks' files"
        )
    own = {} if config.folder is None else own_definitions(folder)
    known = shipped_definitions() | own
    files = {name: _data_file(folder, definition) for name, definition in known.items()}
    if config.benchmarks is None:
        names = [name for name, path in files.items() if path or name in own]
    else:
        names = list(dict.fromkeys(config.benchmarks))
    if not names:
        raise ConfigError(
            f"{folder} holds no file of a benchmark that is known",
            remedy=f"known are: {', '.join(known)}; a file is called as in blimp.jsonl, "
            ".jsonl.gz or .jsonl.zst",
        )
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise ConfigError(
                f"there is no benchmark {name!r}",
                remedy=f"did you mean {near[0]!r}? Known are: {', '.join(known)}; for your own, "
                f"put {name}.yaml and {name}.jsonl into {folder}",
            )
        path = files[name]
        if path is None:
            stems = " or ".join(known[name].stems)
            raise ConfigError(
                f"{folder} holds no file for the benchmark {name}",
                remedy=f"put it there as {stems}, ending in {', '.join(SUFFIXES)}",
            )
        yield known[name], path


def _data_file(folder: Path, definition: BenchmarkDefinition) -> Path | None:
    for stem in definition.stems:
        for suffix in SUFFIXES:
            if (path := folder / f"{stem}{suffix}").is_file():
                return path
    return None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CorpusError(
            f"{path} cannot be read: {error.strerror or error}",
            remedy="check the file's permissions and the disk",
        ) from error
