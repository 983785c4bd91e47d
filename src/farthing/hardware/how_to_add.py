"""The errors about what the catalogue lacks: the nearest names, and a block to fill in and add."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from farthing.errors import UnknownHardwareError
from farthing.hardware.accelerators import Accelerator, names_of, variants_of
from farthing.hardware.grids import GridEntry, RegionEntry
from farthing.hardware.sites import SiteEntry

_SOURCE_BLOCK = """\
      sources:
        - {id: my-source, title: "WHO SAYS IT", url: "WHERE", read: 2026-01-31,
           licence: "AS STATED", kind: maker}
"""
_MOST_VARIANTS = 8
_ADD = "write a file such as my.yaml, then `farthing hardware add my.yaml`:\n"

_ACCELERATOR_BLOCK = """\
      accelerators:
        - id: %s
          name: "NAME IN BILLS"
          maker: "MAKER"
          driver_names: ["%s"]
          source: my-source
          peaks: {bf16: 100e12}            # FLOP/s, dense
          memory_bytes: 80e9
          memory_bytes_per_second: 2e12
          tdp_watts: 300
          blanks: {intra_node_bytes_per_second: "not stated",
                   inter_node_bits_per_second: "not stated"}"""
_GRID_BLOCK = """\
      grids:
        - {id: "%s", name: "PLACE", year: 2025, basis: location, source: my-source,
           covers: "CO2e, life cycle", parent: FRA, grams_per_kwh: 50}"""
_SITE_BLOCK = """\
      sites:
        - {id: %s, name: "SITE", source: my-source, pue: 1.3,
           blanks: {litres_per_kwh: "not stated"}}"""
_EMBODIED_BLOCK = """\
      embodied:
        - {id: my-%s, name: "DEVICE", devices: [%s], source: my-source,
           covers: "device without server", kg_co2e: 150, life_years: 4}"""


def unknown_accelerator(name: str, known: Sequence[Accelerator]) -> UnknownHardwareError:
    """No accelerator goes by this whole name."""
    holding = variants_of(name, known)
    if len(holding) > 1:
        return unknown_variant(name, holding)
    all_names = {alias.casefold(): entry.id for entry in known for alias in names_of(entry)}
    close = difflib.get_close_matches(name.casefold(), list(all_names), n=4, cutoff=0.5)
    near = list(dict.fromkeys([*holding, *(all_names[alias] for alias in close)]))[:_MOST_VARIANTS]
    return UnknownHardwareError(
        f"the catalogue has no accelerator {name!r}",
        remedy=_nearest(near)
        + _ADD
        + _SOURCE_BLOCK
        + _ACCELERATOR_BLOCK % (_as_id(name), name.replace('"', "'")),
    )


def unknown_variant(name: str, variants: Sequence[str]) -> UnknownHardwareError:
    """Several accelerators could be meant."""
    return UnknownHardwareError(
        f"{name!r} does not say which variant is meant",
        remedy=f"name one of {', '.join(variants[:_MOST_VARIANTS])}",
    )


def unknown_grid(
    code: str, known: Sequence[GridEntry], regions: Sequence[RegionEntry]
) -> UnknownHardwareError:
    """No grid goes by this code or name, and no region of it is known."""
    names = [name for entry in known for name in (entry.id, entry.name)]
    names += [f"{one.provider}:{one.region}" for one in regions]
    provider, colon, _ = code.partition(":")
    if colon and (same := [name for name in names if name.startswith(f"{provider}:")]):
        names = same
    near = _close(code, names)
    parents = "a country (FRA), a US state (US-CA) or a Chinese province (CN-BJ) will do"
    what = (
        f"the catalogue has no grid for the region {code!r}"
        if colon
        else (f"the catalogue has no grid {code!r}")
    )
    return UnknownHardwareError(
        what,
        remedy=_nearest(near)
        + f"{parents}; or give your own figure in farthing.yaml as grid_grams_per_kwh: "
        "{grams_per_kwh, source}; or "
        + _ADD
        + _SOURCE_BLOCK
        + _GRID_BLOCK % code.replace('"', "'"),
    )


def unknown_site(name: str, known: Sequence[SiteEntry]) -> UnknownHardwareError:
    """No site has this id."""
    return UnknownHardwareError(
        f"the catalogue has no site {name!r}",
        remedy=f"the sites are {', '.join(entry.id for entry in known)}; or "
        + _ADD
        + _SOURCE_BLOCK
        + _SITE_BLOCK % _as_id(name),
    )


def unknown_embodied(device: str) -> UnknownHardwareError:
    """Nobody has said what making this device emitted."""
    return UnknownHardwareError(
        f"the catalogue has no embodied carbon of {device!r}",
        remedy=_ADD + _SOURCE_BLOCK + _EMBODIED_BLOCK % ((_as_id(device),) * 2),
    )


def unknown_name(name: str, names: Sequence[str]) -> UnknownHardwareError:
    """Nothing of any kind goes by this name."""
    return UnknownHardwareError(
        f"the catalogue has nothing by the name {name!r}",
        remedy=_nearest(_close(name, names))
        + "`farthing hardware list --kind KIND` shows all.\n    To add it, write a file in "
        "the form that `farthing hardware show ID --yaml` prints of another, then `farthing "
        "hardware add FILE`",
    )


def _close(name: str, names: Sequence[str]) -> list[str]:
    lowered = {known.casefold(): known for known in names}
    near = difflib.get_close_matches(name.casefold(), list(lowered), n=4, cutoff=0.4)
    return [lowered[known] for known in near]


def _nearest(near: Sequence[str]) -> str:
    return f"the nearest are {'; '.join(near)}.\n    Otherwise " if near else ""


def _as_id(name: str) -> str:
    kept = "".join(letter if letter.isalnum() else "-" for letter in name.casefold())
    return "-".join(part for part in kept.split("-") if part) or "my-entry"
