"""A first `farthing.yaml` with a reference price, for a quick start that shows money."""

from __future__ import annotations

import yaml

from farthing.artifacts.settings import settings_text
from farthing.artifacts.storage import make_directory, write_atomic
from farthing.artifacts.workspace import Workspace
from farthing.hardware.catalogue import reference_prices

_WARNING = """\
# Written by the quick start: these prices are REFERENCES of the catalogue, not what you pay. US
# dollars per device-hour; on a CPU machine a device is one hardware thread. Replace them by a
# price of your own, by one of a dated list, or by what you paid for the machine: docs/hardware.md.
"""
_DIGITS = 6


def write_reference_settings(workspace: Workspace) -> bool:
    """Write `farthing.yaml` with the catalogue's prices for CPU threads, unless it is there.

    Returns:
        Whether it was written.
    """
    if workspace.settings_file.exists():
        return False
    prices = {
        row.tier: {
            "usd_per_device_hour": round(row.usd_per_device_hour, _DIGITS),
            "date": row.date.isoformat(),
            "source": f"reference: {row.describe()}",
        }
        for row in reference_prices()
    }
    make_directory(workspace.root)
    body = yaml.safe_dump({"prices": prices}, sort_keys=False, allow_unicode=True, width=100)
    write_atomic(workspace.settings_file, settings_text(_WARNING + body).encode())
    return True
