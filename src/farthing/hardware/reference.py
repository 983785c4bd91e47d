"""A first `farthing.yaml` with a reference price, for a quick start that shows money."""

from __future__ import annotations

import yaml

from farthing.artifacts.settings import settings_text
from farthing.artifacts.storage import make_directory, write_atomic
from farthing.artifacts.workspace import Workspace
from farthing.hardware.catalogue import reference_prices
from farthing.hardware.machine import CPU_THREAD

_WARNING = """\
# Written by the quick start: these prices are REFERENCES of the catalogue, not what you pay. US
# dollars per device-hour; on a CPU machine a device is one hardware thread. Replace them.
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
    write_atomic(workspace.settings_file, settings_text(_WARNING + body).encode())
    return True
