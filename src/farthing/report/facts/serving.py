"""What serving this family's members was measured to cost, as the book names the measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farthing.artifacts.entries import Record, RunEnd, RunStart
from farthing.artifacts.manifest import MANIFEST_NAME, read_manifest
from farthing.artifacts.serving import KIND, SERVING_ROOM, ServingMeasurement, open_serving
from farthing.artifacts.workspace import Workspace
from farthing.ledger.rates import Pricing
from farthing.ledger.serving_price import ServingPrice, serving_prices


@dataclass(frozen=True)
class ServedMember:
    """One member's newest measurement and its price."""

    measurement: ServingMeasurement
    prices: tuple[ServingPrice, ...]


def read_serving(
    workspace: Workspace, models: set[str], records: Sequence[Record], pricing: Pricing
) -> tuple[ServedMember, ...]:
    """The newest measurement of each member on each machine, oldest first.

    Args:
        workspace: where they are.
        models: content digests of the supernet and of the models cut out of it.
        records: of the book; what no run of it made is not shown.
        pricing: the rates of each run.

    Raises:
        ArtifactError: a measurement is damaged.
        ConfigError: one was measured on another device than its run held.
    """
    starts = {r.body.run: r.body for r in records if isinstance(r.body, RunStart)}
    makers = {
        r.body.artifact.digest: r.body.run
        for r in records
        if isinstance(r.body, RunEnd) and r.body.artifact is not None
    }
    found: dict[int, ServedMember] = {}
    for path in (workspace.root / SERVING_ROOM).glob(f"[!.]*/{MANIFEST_NAME}"):
        digest = read_manifest(path.parent, kind=KIND).content_digest
        if digest not in makers:
            continue
        measurement = open_serving(path.parent)[0]
        if measurement.supernet in models:
            machine = starts[makers[digest]].machine
            prices = serving_prices(measurement, machine, pricing.of(makers[digest]))
            found[makers[digest]] = ServedMember(measurement, prices)
    newest: dict[tuple[str, str, str], ServedMember] = {}
    for run in sorted(found):
        held = found[run].measurement
        key = (held.supernet, held.shape, held.machine.id)
        newest.pop(key, None)
        newest[key] = found[run]
    return tuple(newest.values())
