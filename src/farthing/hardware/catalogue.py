"""The catalogue: everything that ships with farthing, and what a workspace adds to it.

    catalogue = read_catalogue(workspace.root)
    catalogue.accelerator("NVIDIA A100-SXM4-80GB").peak("bf16")
    catalogue.grid("US-OR"), catalogue.region_grid("aws", "us-west-2")
    catalogue.price("h100-sxm", provider="gcp", tier="spot").usd_per_device_hour

Unknown is an error that shows how to add it, never a guess. The functions below the class look only
at what ships.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

from farthing.artifacts.measurement import Measurement
from farthing.artifacts.prices import ListedPrice, Tier
from farthing.errors import ConfigError, UnknownHardwareError
from farthing.hardware import how_to_add
from farthing.hardware.accelerators import Accelerator, accelerators, names_of, variants_of
from farthing.hardware.additions import Additions, merge, read_additions
from farthing.hardware.api_prices import ApiPrice, api_prices
from farthing.hardware.cpus import CpuEntry, cpus
from farthing.hardware.embodied import EmbodiedEntry, embodied
from farthing.hardware.figure import Entry, Figure, Source
from farthing.hardware.grids import GridEntry, RegionEntry, grids, regions
from farthing.hardware.measured import measured_peak
from farthing.hardware.prices.listed import Listed, listed_price
from farthing.hardware.prices.snapshot import (
    PriceRow,
    PriceSnapshot,
    find_price,
    shipped_snapshots,
)
from farthing.hardware.sites import ElectricityWater, SiteEntry, electricity_water, sites
from farthing.hardware.sources import check_sources, sources
from farthing.quantity import Quantity

__all__ = ["Catalogue", "cpus", "grid", "grid_range", "read_catalogue", "reference_prices"]

EntryT = TypeVar("EntryT", bound=Entry)

# The instance whose prices the quick start shows: a plain one, in the provider's home region.
_REFERENCE = {"device": "cpu-thread", "provider": "gcp", "region": "us-central1"}
_REFERENCE_TIERS: tuple[Tier, ...] = ("on_demand", "spot")


class Catalogue:
    """All entries, the user's before the shipped ones; each kind is read when first asked for."""

    def __init__(self, own: Additions) -> None:
        self._own = own

    @cached_property
    def sources(self) -> dict[str, Source]:
        """Who says it, by id."""
        own = self._own.of("sources", Source)
        return {one.id: one for one in merge(tuple(sources().values()), own)}

    @cached_property
    def accelerators(self) -> tuple[Accelerator, ...]:
        """Accelerators; no name means two of them."""
        found = self._merged("accelerators", accelerators(), Accelerator)
        _check_names(found)
        return found

    @cached_property
    def cpus(self) -> tuple[CpuEntry, ...]:
        """Processors, the most particular first."""
        return self._merged("cpus", cpus(), CpuEntry)

    @cached_property
    def grids(self) -> tuple[GridEntry, ...]:
        """Countries, states, provinces and the cloud regions with a figure of their own."""
        return self._merged("grids", grids(), GridEntry)

    @cached_property
    def regions(self) -> tuple[RegionEntry, ...]:
        """Cloud regions that stand in a grid."""
        return _regions(self._own)

    @cached_property
    def sites(self) -> tuple[SiteEntry, ...]:
        """Kinds of data centre."""
        return self._merged("sites", sites(), SiteEntry)

    @cached_property
    def electricity_water(self) -> tuple[ElectricityWater, ...]:
        """Water that making electricity takes."""
        return self._merged("electricity_water", electricity_water(), ElectricityWater)

    @cached_property
    def embodied(self) -> tuple[EmbodiedEntry, ...]:
        """Carbon of making devices."""
        return self._merged("embodied", embodied(), EmbodiedEntry)

    @cached_property
    def api_prices(self) -> tuple[ApiPrice, ...]:
        """What public services ask for a million tokens."""
        return self._merged("api_prices", api_prices(), ApiPrice)

    @cached_property
    def snapshots(self) -> tuple[PriceSnapshot, ...]:
        """Price snapshots in the order in which they count: the user's, then the latest."""
        return (*self._own.snapshots, *shipped_snapshots())

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Every entry that holds figures with its kind; reads and checks all of them."""
        kinds: dict[str, Sequence[Entry]] = {
            "accelerators": self.accelerators,
            "cpus": self.cpus,
            "grids": self.grids,
            "sites": self.sites,
            "electricity_water": self.electricity_water,
            "embodied": self.embodied,
            "api_prices": self.api_prices,
        }
        for kind, entries in kinds.items():
            yield from ((kind, entry) for entry in entries)

    def accelerator(self, name: str) -> Accelerator:
        """The accelerator of this id, or whose driver or price list calls it so, in full.

        Raises:
            UnknownHardwareError: with the nearest names; a name of several variants is unknown.
        """
        asked = folded(name)
        for entry in self.accelerators:
            if asked in {folded(known) for known in names_of(entry)}:
                return entry
        raise how_to_add.unknown_accelerator(name, self.accelerators)

    def device_of(self, name: str) -> str:
        """The id of the accelerator that a price list means, or the name where that is open."""
        try:
            return self.accelerator(name).id
        except UnknownHardwareError:
            return name

    def peak(self, name: str, dtype: str, measurements: Iterable[Measurement] = ()) -> Figure:
        """The dense peak of an accelerator, or where no list has one, what was measured.

        Args:
            name: of an accelerator, or of a processor as the kernel says it.
            dtype: fp32, bf16, ...
            measurements: of `farthing bench`, the latest first.

        Raises:
            UnknownHardwareError: neither; says how to add or measure it.
        """
        try:
            return self.accelerator(name).peak(dtype)
        except UnknownHardwareError as unlisted:
            try:
                return measured_peak(name, dtype, measurements)
            except UnknownHardwareError as unmeasured:
                known = any(folded(name) in map(folded, names_of(one)) for one in self.accelerators)
                raise (unlisted if known else unmeasured) from None

    def grid_entry(self, code: str) -> GridEntry:
        """The grid of this id (FRA, US-CA, CN-BJ, gcp:us-central1), name, or PROVIDER:REGION.

        Raises:
            UnknownHardwareError: with the nearest names and a block to add one.
        """
        asked = folded(code)
        for entry in self.grids:
            if asked in (folded(entry.id), folded(entry.name)):
                return entry
        for region in self.regions:
            if asked == folded(f"{region.provider}:{region.region}"):
                return self.grid_entry(region.grid)
        raise how_to_add.unknown_grid(code, self.grids, self.regions)

    def grid(self, code: str) -> Quantity:
        """Carbon intensity in g/kWh of what `grid_entry` finds.

        Raises:
            UnknownHardwareError: there is no such grid.
        """
        entry = self.grid_entry(code)
        asked = "" if folded(code) in (folded(entry.id), folded(entry.name)) else f"{code}: "
        quantity = self._intensity(entry, asked)
        if quantity is None:
            raise how_to_add.unknown_grid(code, self.grids, self.regions)
        return quantity

    def region_grid(self, provider: str, region: str) -> Quantity:
        """Carbon intensity in g/kWh of a cloud region: its own, or that of where it stands.

        Raises:
            UnknownHardwareError: a region without a grid; says which grids could be meant.
        """
        return self.grid(f"{provider}:{region}")

    def grid_range(self) -> tuple[Quantity, Quantity]:
        """The cleanest and the dirtiest country, in g/kWh: figures of one basis only."""
        found = [self._intensity(entry) for entry in self.grids if entry.kind == "country"]
        ordered = sorted((one for one in found if one), key=lambda one: one.value)
        return ordered[0], ordered[-1]

    def site(self, name: str) -> SiteEntry:
        """The site of this id, or the only one whose id differs in capitals and hyphens at most.

        Raises:
            UnknownHardwareError: with the ids there are and a block to add one.
        """
        near = [entry for entry in self.sites if folded(entry.id) == folded(name)]
        exact = [entry for entry in near if entry.id == name]
        if len(found := exact or near) == 1:
            return found[0]
        raise how_to_add.unknown_site(name, self.sites)

    def embodied_of(self, device: str) -> EmbodiedEntry:
        """What making a device emitted; `kg_co2e` may be blank, with the reason.

        Raises:
            UnknownHardwareError: nobody has given it for this device.
        """
        for entry in self.embodied:
            if device in entry.devices:
                return entry
        raise how_to_add.unknown_embodied(device)

    def price(
        self,
        device: str,
        *,
        provider: str | None = None,
        region: str | None = None,
        tier: Tier = "on_demand",
    ) -> PriceRow:
        """The cheapest fitting price of the user's snapshots, else of the latest shipped one.

        Raises:
            UnknownHardwareError: no row fits; says which come near.
        """
        return find_price(self.snapshots, device, provider=provider, region=region, tier=tier)

    def listed_price(self, wanted: ListedPrice, tier: Tier) -> Listed:
        """The one price of a dated list that the user names, with the list.

        Raises:
            UnknownHardwareError: there is none, or the device's name means several variants.
            ConfigError: several rows fit, of one list or of several of a day, and their prices
                differ.
        """
        device = self.device_of(wanted.device)
        ranks = (self._own.snapshots, shipped_snapshots())
        try:
            return listed_price(ranks, wanted, device=device, tier=tier)
        except UnknownHardwareError:
            variants = variants_of(device, self.accelerators)
            if device == wanted.device and len(variants) > 1:
                raise how_to_add.unknown_variant(device, variants) from None
            raise

    def citation(self, source: str) -> str:
        """A source in words: who, read when, where."""
        known = self.sources.get(source)
        return known.citation() if known else source

    def _merged(
        self, section: str, shipped_ones: tuple[EntryT, ...], cls: type[EntryT]
    ) -> tuple[EntryT, ...]:
        found = merge(shipped_ones, self._own.of(section, cls))
        check_sources(found, self.sources, where=f"the catalogue's {section}")
        return found

    def _intensity(self, entry: GridEntry, asked: str = "") -> Quantity | None:
        if entry.grams_per_kwh is None:
            return None
        known = self.sources.get(entry.grams_per_kwh.source)
        said = known.title if known else entry.grams_per_kwh.source
        year = f" {entry.year}" if entry.year else ""
        return entry.grams_per_kwh.quantity(f"{asked}{entry.name}{year}: {said}")


def read_catalogue(root: Path | None = None) -> Catalogue:
    """What ships with farthing, with what the workspace at `root` adds.

    Raises:
        ConfigError: an added entry is wrong, its id is taken, or its source is not described.
        ArtifactError: an added price table was changed.
    """
    return assemble(Additions() if root is None else read_additions(root))


def assemble(own: Additions) -> Catalogue:
    """What ships with farthing, with these additions, all of them checked.

    Raises:
        ConfigError: an id is taken, or a source is not described.
    """
    catalogue = Catalogue(own)
    if any(own.sections.values()):
        for region in catalogue.regions:
            catalogue.grid_entry(region.grid)
        for _ in catalogue.entries():
            pass
    return catalogue


@cache
def shipped() -> Catalogue:
    """The catalogue without anybody's additions."""
    return read_catalogue()


def grid(code: str) -> Quantity:
    """`Catalogue.grid` of what ships with farthing."""
    return shipped().grid(code)


def grid_range() -> tuple[Quantity, Quantity]:
    """`Catalogue.grid_range` of what ships with farthing."""
    return shipped().grid_range()


def find_accelerator(name: str) -> Accelerator:
    """`Catalogue.accelerator` of what ships with farthing."""
    return shipped().accelerator(name)


@cache
def reference_prices() -> tuple[PriceRow, ...]:
    """Prices to compare with. No bill uses them; the quick start copies them into farthing.yaml."""
    return tuple(
        find_price(shipped_snapshots(), tier=tier, **_REFERENCE) for tier in _REFERENCE_TIERS
    )


def _regions(own: Additions) -> tuple[RegionEntry, ...]:
    added = tuple(one for one in own.sections.get("regions", ()) if isinstance(one, RegionEntry))
    taken = {(one.provider, one.region) for one in regions()}
    for one in added:
        if (one.provider, one.region) in taken:
            raise ConfigError(
                f"the region {one.provider}:{one.region} has a grid already",
                remedy=f"give the region a figure of its own: a grid with the id "
                f"{one.provider}:{one.region}",
            )
        taken.add((one.provider, one.region))
    return (*added, *regions())


def _check_names(entries: Iterable[Accelerator]) -> None:
    owner: dict[str, str] = {}
    for entry in entries:
        for name in names_of(entry):
            other = owner.setdefault(folded(name), entry.id)
            if other != entry.id:
                near = difflib.get_close_matches(name, names_of(entry), n=1)
                raise ConfigError(
                    f"{near[0] if near else name!r} names both {other} and {entry.id}",
                    remedy="a name must mean one variant only: remove it from one of them",
                )


def folded(name: str) -> str:
    """A name without what people write differently: capitals, and spaces or hyphens."""
    return " ".join(name.casefold().replace("-", " ").replace("_", " ").split())
