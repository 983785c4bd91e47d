"""A user's own layer over the shipped catalogue: WORKSPACE/hardware/*.yaml and prices/*.csv.

An entry whose id is taken is an error unless it says `replaces: ID`, the same id again: nothing is
overridden by accident.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from farthing.artifacts.config import Config
from farthing.artifacts.storage import make_directory, write_atomic
from farthing.errors import ConfigError
from farthing.hardware.accelerators import Accelerator
from farthing.hardware.api_prices import ApiPrice
from farthing.hardware.cpus import CpuEntry
from farthing.hardware.datafile import parse_section, read_mapping, read_text
from farthing.hardware.embodied import EmbodiedEntry
from farthing.hardware.figure import Entry, Source
from farthing.hardware.grids import GridEntry, RegionEntry
from farthing.hardware.prices.snapshot import PriceSnapshot, latest_first, load_snapshot
from farthing.hardware.sites import ElectricityWater, SiteEntry

FOLDER = "hardware"
PRICES = "prices"

SECTIONS: dict[str, type[Config]] = {
    "sources": Source,
    "accelerators": Accelerator,
    "cpus": CpuEntry,
    "grids": GridEntry,
    "regions": RegionEntry,
    "sites": SiteEntry,
    "electricity_water": ElectricityWater,
    "embodied": EmbodiedEntry,
    "api_prices": ApiPrice,
}

EntryT = TypeVar("EntryT", bound=Entry | Source)


@dataclass(frozen=True)
class Additions:
    """What a user has added.

    Attributes:
        sections: by name, as in the files.
        snapshots: of prices, the latest first.
    """

    sections: dict[str, tuple[Config, ...]] = field(default_factory=dict)
    snapshots: tuple[PriceSnapshot, ...] = ()

    def of(self, section: str, cls: type[EntryT]) -> tuple[EntryT, ...]:
        """The added entries of one section."""
        return tuple(entry for entry in self.sections.get(section, ()) if isinstance(entry, cls))


def read_additions(root: Path, *, but: str | None = None) -> Additions:
    """Everything under `root`/hardware; nothing where there is no such folder.

    Args:
        root: of the workspace.
        but: the name of a file to leave out.

    Raises:
        ConfigError: a file or an entry is wrong.
        ArtifactError: a price table was changed after it was written.
    """
    folder = root / FOLDER
    parsed = [read_file(path) for path in sorted(folder.glob("*.yaml")) if path.name != but]
    sections = {
        name: tuple(entry for one in parsed for entry in one.get(name, ())) for name in SECTIONS
    }
    tables = sorted((folder / PRICES).glob("*.csv"))
    return Additions(sections, latest_first(load_snapshot(path) for path in tables))


def read_file(path: Path) -> dict[str, tuple[Config, ...]]:
    """The sections of one file.

    Raises:
        ConfigError: an unknown section, or an entry that is wrong.
    """
    data = read_mapping(path)
    for name in data:
        if name == PRICES:
            raise ConfigError(
                f"{path}: prices of rented devices go into a dated table of their own",
                remedy=f"farthing hardware update prices --format own --from {path}",
            )
        if name not in SECTIONS:
            near = difflib.get_close_matches(str(name), SECTIONS, n=1, cutoff=0.0)
            raise ConfigError(
                f"{path}: there is no section {name!r}",
                remedy=f"did you mean {near[0]!r}? The sections are: {', '.join(SECTIONS)}",
            )
    return {
        name: parse_section(entries, SECTIONS[name], where=f"{path}: {name}")
        for name, entries in data.items()
    }


def with_file(own: Additions, sections: dict[str, tuple[Config, ...]]) -> Additions:
    """The additions with the sections of one more file."""
    together = {name: (*own.sections.get(name, ()), *sections.get(name, ())) for name in SECTIONS}
    return Additions(together, own.snapshots)


def merge(
    shipped: Sequence[EntryT], own: Iterable[EntryT], *, where: str = "the workspace's hardware/"
) -> tuple[EntryT, ...]:
    """Shipped and own entries together, the user's first.

    Raises:
        ConfigError: an id twice without `replaces`, or `replaces` of what is not there, or of
            another id than the entry's own.
    """
    ids = {entry.id for entry in shipped}
    added: dict[str, EntryT] = {}
    for entry in own:
        if entry.replaces is not None and entry.replaces not in ids:
            near = difflib.get_close_matches(entry.replaces, sorted(ids), n=1, cutoff=0.0)
            raise ConfigError(
                f"{where}: {entry.id} replaces {entry.replaces!r}, and there is no such entry",
                remedy=f"did you mean {near[0]!r}? Leave `replaces` out for a new entry"
                if near
                else "leave `replaces` out for a new entry",
            )
        if entry.replaces not in (None, entry.id):
            raise ConfigError(
                f"{where}: {entry.id} replaces {entry.replaces}, an entry of another id",
                remedy=f"leave `replaces` out to add {entry.id} as a new one, or give it the id "
                f"{entry.replaces} to stand for that one",
            )
        if entry.id in added or (entry.id in ids and entry.replaces is None):
            raise ConfigError(
                f"{where}: the id {entry.id!r} is taken",
                remedy=f"give it another id, or write `replaces: {entry.id}` into the entry if it "
                "is to stand for the shipped one",
            )
        added[entry.id] = entry
    return (*added.values(), *(entry for entry in shipped if entry.id not in added))


def copy_into(root: Path, path: Path) -> Path:
    """Copy a checked file into `root`/hardware; returns the copy.

    Raises:
        ConfigError: it is no .yaml file, or another file of its name is there.
        WorkspaceError: the disk refused.
    """
    if path.suffix != ".yaml":
        raise ConfigError(
            f"{path} is no .yaml file", remedy="give it the ending .yaml, as in my-chips.yaml"
        )
    target = root / FOLDER / path.name
    text = read_text(path)
    if target.exists() and read_text(target) != text:
        raise ConfigError(
            f"{target} exists already with other content and stays as it is",
            remedy="give your file another name, or remove that one",
        )
    make_directory(target.parent)
    write_atomic(target, text.encode())
    return target
