"""A first `farthing.yaml` with a reference price, for a quick start that shows money."""

from __future__ import annotations

import yaml

from farthing.artifacts.storage import make_directory, write_atomic
from farthing.artifacts.workspace import Workspace
from farthing.hardware.catalogue import reference_prices
from farthing.hardware.machine import CPU_THREAD

_HEADER = """\
# Written by the quick start. The prices are REFERENCES of the catalogue, not what you pay:
# replace them. Grid, PUE and unknown hardware can be set here too:
#   grid: FRA                                   a grid of the catalogue (country code)
#   pue: {value: 1.3, source: "..."}            energy at the site's meter per energy at the plug
#   hardware: {name: ..., watts_per_device: ..., source: "..."}
"""


def write_reference_settings(workspace: Workspace) -> bool:
    """Write `farthing.yaml` with the catalogue's prices for CPU threads, unless it is there.

    Returns:
        Whether it was written.
    """
    if workspace.settings_file.exists():
        return False
    prices = {
        entry.basis: {
            "usd_per_device_hour": entry.usd_per_device_hour,
            "source": f"reference: {entry.name}, {entry.date} ({entry.source})",
        }
        for entry in reference_prices()
        if entry.device == CPU_THREAD
    }
    make_directory(workspace.root)
    body = yaml.safe_dump({"prices": prices}, sort_keys=False, allow_unicode=True, width=100)
    write_atomic(workspace.settings_file, (_HEADER + body).encode())
    return True
