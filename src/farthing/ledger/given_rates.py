"""The rates that `farthing.yaml` gives, with the catalogue behind it and the user's additions."""

from __future__ import annotations

from pathlib import Path

from farthing.artifacts.rates import SeriesRate
from farthing.artifacts.settings import WorkspaceSettings
from farthing.hardware.catalogue import Catalogue, read_catalogue
from farthing.ledger.carbon import series_of
from farthing.ledger.figures import Rates
from farthing.ledger.footprint import footprint_rates
from farthing.ledger.prices import devices_priced, priced
from farthing.ledger.water import site_rates
from farthing.quantity import Quantity, assumed


def make_rates(settings: WorkspaceSettings, root: Path) -> Rates:
    """The user's rates.

    Args:
        settings: `farthing.yaml`.
        root: of the workspace: in its `hardware/` stands what the user added to the catalogue, and
            a series by the hour stands beside `farthing.yaml`.

    Raises:
        UnknownHardwareError: the grid, the site, the water or a price that they name is not in the
            catalogue.
        ConfigError: what the user added is wrong, or the series is, or a name means several prices.
        ArtifactError: a price table that the user added was changed.
    """
    catalogue = read_catalogue(root)
    series, grams = _series(settings, root), _intensity(settings, catalogue)
    hardware = settings.hardware
    return Rates(
        usd_per_device_hour=priced(settings, catalogue),
        grams_per_kwh=None if series else grams,
        grams_range=None if series else catalogue.grid_range(),
        pue=site_rates(settings, catalogue).pue,
        watts_per_device=(
            assumed(hardware.watts_per_device, "W", f"farthing.yaml: {hardware.source}")
            if hardware
            else None
        ),
        footprint=footprint_rates(settings, catalogue),
        series=series,
        price_devices=devices_priced(settings, catalogue),
    )


def _intensity(settings: WorkspaceSettings, catalogue: Catalogue) -> Quantity | None:
    """The one figure of the grid, in g/kWh."""
    if (own := settings.grid_grams_per_kwh) is not None:
        return assumed(own.grams_per_kwh, "g/kWh", own.source)
    return catalogue.grid(settings.grid) if settings.grid is not None else None


def _series(settings: WorkspaceSettings, root: Path) -> SeriesRate | None:
    given, read = settings.carbon_series, series_of(settings, root)
    if given is None or read is None:
        return None
    series, source = read
    return SeriesRate(file=given.file, digest=series.digest, source=source)
