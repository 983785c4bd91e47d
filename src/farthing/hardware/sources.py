"""The sources that ship with farthing, and the check that every figure names one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import cache

from farthing.errors import ConfigError
from farthing.hardware.datafile import shipped_section
from farthing.hardware.figure import Entry, Source


@cache
def sources() -> dict[str, Source]:
    """The shipped sources by id."""
    return {source.id: source for source in shipped_section("sources.yaml", "sources", Source)}


def check_sources(entries: Iterable[Entry], known: Mapping[str, Source], *, where: str) -> None:
    """Refuse a figure whose source nobody has described.

    Raises:
        ConfigError: naming the entry, the figure, and the nearest source.
    """
    for entry in entries:
        for name, figure in entry.figures():
            if figure.source not in known:
                near = difflib.get_close_matches(figure.source, known, n=1, cutoff=0.0)
                raise ConfigError(
                    f"{where}: {entry.id}: {name} names the source {figure.source!r}, which is "
                    "described nowhere",
                    remedy="describe it under `sources:` with id, title, url, read, licence, kind"
                    + (f"; or did you mean {near[0]!r}?" if near else ""),
                )
