"""Reading the catalogue's files: YAML with sections of entries, and tables in CSV.

    sources:      [{id, title, url, read, licence, kind}, ...]
    accelerators: [...]        cpus: [...]     grids: [...]      regions: [...]
    sites:        [...]        embodied: [...]  api_prices: [...]

Shipped files and a user's have the same form, so each shipped one shows how to write one's own.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from farthing.artifacts.config import Config, parse_config
from farthing.artifacts.yaml_reader import read_yaml
from farthing.errors import ConfigError
from farthing.hardware.figure import Entry, write_out

DATA = Path(__file__).parent / "data"

_REMEDY = "correct the file there; `farthing hardware show NAME --yaml` prints an entry that works"

PartT = TypeVar("PartT", bound=Config)


def read_mapping(path: Path) -> dict[str, Any]:
    """A YAML file that holds a mapping.

    Raises:
        ConfigError: it cannot be read, is not YAML, or holds something else.
    """
    data = read_yaml(read_text(path), where=str(path), remedy=_REMEDY)
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected sections, found no mapping", remedy=_REMEDY)
    return data


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        ConfigError: it is not there, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path} cannot be read: {reason}", remedy="name a text file") from error


def parse_section(entries: Any, cls: type[PartT], *, where: str) -> tuple[PartT, ...]:  # noqa: ANN401
    """The entries of one section, checked.

    Args:
        entries: what the YAML holds under the section's name.
        cls: of what kind they are.
        where: file and section, for the message.

    Raises:
        ConfigError: naming the entry and its first wrong key or value.
    """
    if not isinstance(entries, list):
        raise ConfigError(f"{where}: expected a list of entries", remedy=_REMEDY)
    return tuple(
        parse_entry(cls, entry, where=_named(where, number, entry))
        for number, entry in enumerate(entries, start=1)
    )


def parse_entry(cls: type[PartT], entry: Any, *, where: str) -> PartT:  # noqa: ANN401
    """One entry from plain data, checked, its short figures written out.

    Raises:
        ConfigError: naming the first wrong key or value.
    """
    parsed = parse_config(cls, _in_full(cls, entry), where=where)
    if isinstance(parsed, Entry):
        for problem in parsed.problems():
            raise ConfigError(f"{where}: {problem}", remedy=_REMEDY)
    return parsed


def shipped_section(name: str, section: str, cls: type[PartT]) -> tuple[PartT, ...]:
    """One section of a data file that ships with farthing, `name` relative to the data folder."""
    path = DATA / name
    return parse_section(read_mapping(path)[section], cls, where=f"{path}: {section}")


def shipped_sections(folder: str, section: str, cls: type[PartT]) -> tuple[PartT, ...]:
    """The same section of every YAML file of a data folder, one after the other."""
    paths = sorted((DATA / folder).glob("*.yaml"))
    return tuple(
        entry for path in paths for entry in shipped_section(f"{folder}/{path.name}", section, cls)
    )


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers; columns go by name, never by position.

    Args:
        path: the file; its first line names the columns.
        columns: which ones it must have; others are kept too.

    Raises:
        ConfigError: it cannot be read, lacks a column, or a row has too many or too few fields.
    """
    reader = csv.DictReader(read_text(path).splitlines(), restkey="", strict=True)
    head = [(name or "").strip() for name in reader.fieldnames or ()]
    reader.fieldnames = head
    if missing := [name for name in columns if name not in head]:
        raise ConfigError(
            f"{path}, line 1: the table has no column {missing[0]!r}",
            remedy=f"the first line names the columns: {','.join(columns)}",
        )
    try:
        for row in reader:
            if "" in row or None in row.values():
                raise ConfigError(
                    f"{path}, line {reader.line_num}: {len(head)} columns are named, and the row "
                    "has another number of fields",
                    remedy='write one field for each column; a comma inside a field needs "quotes"',
                )
            yield reader.line_num, {name: field.strip() for name, field in row.items()}
    except csv.Error as error:
        raise ConfigError(
            f"{path}, line {reader.line_num}: {error}", remedy="correct the table there"
        ) from error


def _in_full(cls: type[Config], entry: Any) -> Any:  # noqa: ANN401 - plain YAML data
    return write_out(cls, entry) if issubclass(cls, Entry) else entry


def _named(where: str, number: int, entry: Any) -> str:  # noqa: ANN401 - plain YAML data
    name = entry.get("id") if isinstance(entry, dict) else None
    return f"{where}: {name if name else f'entry {number}'}"
