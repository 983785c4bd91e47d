"""Finding entries of any kind by name, and printing one so that it can be copied."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from farthing.artifacts.measurement import Measurement
from farthing.artifacts.workspace import Workspace
from farthing.errors import UnknownHardwareError
from farthing.hardware import how_to_add
from farthing.hardware.accelerators import variants_of
from farthing.hardware.catalogue import Catalogue, folded
from farthing.hardware.figure import Entry, Figure
from farthing.hardware.measured import read_measurements
from farthing.hardware.prices.snapshot import PriceRow

Named = tuple[str, Entry]

_PLAIN_BELOW = 1e6
_DIGITS = 12
_MEASURED_DIGITS = 4
_FURTHER = 4
_COLUMNS = 80
_SHOWN_ELSEWHERE = {"id", "name", "source", "provenance", "blanks"}


def find_named(catalogue: Catalogue, name: str, *, known: bool = False) -> list[Named]:
    """Every entry of this id or name with its kind, and what says something about that device.

    Args:
        catalogue: where to look.
        name: an id, a name, what a driver or a price list says, or a cloud region.
        known: something of this name was measured or has a price, so that finding no entry is no
            error.

    Raises:
        UnknownHardwareError: nothing goes by this name; with the nearest.
    """
    asked = folded(name)
    found = [
        (kind, entry)
        for kind, entry in catalogue.entries()
        if asked in (folded(entry.id), folded(str(getattr(entry, "name", ""))))
    ]
    if not found:
        found = _by_rule(catalogue, name, known=known)
    devices = {entry.id for kind, entry in found if kind == "accelerators"}
    made = [one for one in catalogue.embodied if devices & set(one.devices)]
    return found + [("embodied", one) for one in made if ("embodied", one) not in found]


def shown(catalogue: Catalogue, found: Sequence[Named], rows: Sequence[PriceRow]) -> Iterator[str]:
    """Entries and prices line by line, figures with the numbers of the sources at the end."""
    numbers: dict[str, int] = {}
    for kind, entry in found:
        yield f"{entry.id} [{kind}] {getattr(entry, 'name', '')}".rstrip()
        for field, said in _facts(entry):
            yield f"  {field}: {said}"
        for name, figure in entry.figures():
            yield _figure_line(name, figure, numbers)
        for name, reason in entry.blanks.items():
            yield f"  {name:<29}none: {reason}"
    for row in rows:
        number = numbers.setdefault(row.source, len(numbers) + 1)
        place = " ".join(part for part in (row.provider, row.region, row.instance) if part)
        price = f"{row.usd_per_device_hour:.4g}"
        yield f"  {price:>7} USD/h  {row.tier:<12} {row.date}  [{number}] {place}"
    for source, number in numbers.items():
        known = catalogue.sources.get(source)
        yield f"[{number}] {known.title if known else source}"
        if known:
            yield f"    {known.url}"
            yield f"    read {known.read}, licence: {known.licence}"


def wrapped(lines: Iterable[str], columns: int = _COLUMNS) -> Iterator[str]:
    """The lines, long ones broken between words (never inside an address) and set in further."""
    for line in lines:
        if " " not in line.strip():
            yield line
            continue
        indent = " " * (len(line) - len(line.lstrip()) + _FURTHER)
        yield textwrap.fill(
            line,
            columns,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
        )


def as_block(found: Sequence[Named]) -> str:
    """The first entry as YAML that `farthing hardware add` takes, standing for the shipped one."""
    kind, entry = found[0]
    plain = entry.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    plain["replaces"] = entry.id
    return yaml_text({kind: [plain]})


def yaml_text(data: Mapping[str, object]) -> str:
    """YAML to be copied into a file, of 80 columns where its words allow it."""
    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=_COLUMNS)
    return text


def measured_as(root: Path, name: str, found: Sequence[Named]) -> list[Measurement]:
    """What `farthing bench` measured in a workspace on the device or processor of these names.

    Raises:
        ArtifactError: a measurement of the workspace is damaged.
    """
    names = {name, *(getattr(entry, "name", "") for _, entry in found)}
    names |= {alias for _, entry in found for alias in getattr(entry, "driver_names", ())}
    return [
        one
        for one in read_measurements(Workspace(root).measurements)
        if names & {one.machine.name, one.machine.device_name}
    ]


def measured_lines(measurements: Sequence[Measurement]) -> Iterator[str]:
    """Their peaks line by line."""
    for one in measurements:
        for product in one.products:
            low, high = _engineering(product.rate.low), _engineering(product.rate.high)
            yield (
                f"  measured {product.dtype:<20}{_engineering(product.rate.value)} FLOP/s "
                f"({low} to {high}), {product.threads} threads, {one.date}, `{one.command}`"
            )


def _facts(entry: Entry) -> Iterator[tuple[str, str]]:
    """What an entry says beside its figures, where it says something."""
    apart = {*entry.UNITS, *_SHOWN_ELSEWHERE}
    plain = entry.model_dump(mode="json", exclude_defaults=True, exclude_none=True)
    for field, value in plain.items():
        if field not in apart:
            yield field, ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _figure_line(name: str, figure: Figure, numbers: dict[str, int]) -> str:
    number = numbers.setdefault(figure.source, len(numbers) + 1)
    low, high = figure.range()
    span = "" if low == high else f" ({_engineering(low)} to {_engineering(high)})"
    note = f": {figure.note}" if figure.note else ""
    unit = "" if figure.unit == "1" else f" {figure.unit}"
    value = f"{_engineering(figure.value)}{unit}{span}"
    return f"  {name:<29}{value}, {figure.provenance} [{number}]{note}"


def _engineering(value: float) -> str:
    """As data sheets and our YAML write it: 312e12."""
    if value < _PLAIN_BELOW:
        return f"{value:g}"
    power = 3 * int((len(str(int(value))) - 1) / 3)
    digits = _DIGITS if value == int(value) else _MEASURED_DIGITS
    return f"{value / 10**power:.{digits}g}e{power}"


def _by_rule(catalogue: Catalogue, name: str, *, known: bool) -> list[Named]:
    """By the names that drivers and price lists use, and by cloud region."""
    for find in (_accelerator, _grid):
        if (entry := find(catalogue, name)) is not None:
            return [entry]
    if known:
        return []
    if ":" in name:
        raise how_to_add.unknown_grid(name, catalogue.grids, catalogue.regions)
    if len(variants := variants_of(name, catalogue.accelerators)) > 1:
        raise how_to_add.unknown_variant(name, variants)
    ids = [entry.id for _, entry in catalogue.entries()]
    holding = [one for one in ids if name.casefold() in one.casefold()]
    raise how_to_add.unknown_name(name, holding or ids)


def _accelerator(catalogue: Catalogue, name: str) -> Named | None:
    try:
        return "accelerators", catalogue.accelerator(name)
    except UnknownHardwareError:
        return None


def _grid(catalogue: Catalogue, name: str) -> Named | None:
    try:
        return "grids", catalogue.grid_entry(name)
    except UnknownHardwareError:
        return None
