"""The capital question: what a sum, or a megawatt, of accelerators trains in a year."""

from __future__ import annotations

from collections.abc import Iterator

from farthing.artifacts.settings import BASES
from farthing.cost.published import published_model
from farthing.cost.training import training_flops_of
from farthing.errors import PlanError
from farthing.flow.planning.answer import Answer
from farthing.flow.planning.run import PlanRequest
from farthing.flow.planning.surroundings import HERE, Surroundings
from farthing.hardware.accelerators import Accelerator
from farthing.hardware.owned import HOURS_PER_YEAR
from farthing.predict.cluster import Cluster, cluster_of
from farthing.predict.duration import device_hours
from farthing.predict.pool import Group, read_pool
from farthing.predict.throughput import expected_mfu
from farthing.quantity import Quantity
from farthing.stages.plan.text import amount, entry, figure, notes, table

# Trainings that a reader knows, in whose number a cluster's year is told; the first says how fast
# the cluster is.
_YARDSTICKS = ("DeepSeek-V3", "Llama 3.1 405B", "Olmo 3 32B", "GPT-3 175B")
# One run takes so many of the devices at most; more runs go side by side.
_MOST_TOGETHER = 16_384
_USUAL = "h100"
_FORM = "write --cluster usd=1e9 (capital in dollars) or --cluster mw=100 (design power)"
_GRAMS_PER_TONNE = 1e6
_KWH_PER_MWH = 1e3


def plan_cluster(request: PlanRequest, asked: str) -> Answer:
    """What can be bought or powered, and what that trains in a year.

    Args:
        request: `hardware` names the accelerator, with a purchase price behind an @.
        asked: `usd=1e9` or `mw=100`.

    Raises:
        PlanError: the question cannot be read, or is about more than one kind of device.
        UnknownHardwareError: no purchase price, power or peak is known.
    """
    usd, megawatts = _amount(asked)
    around = Surroundings.of(request.workspace)
    group = _device(request, around)
    sizes = published_model(_YARDSTICKS[0]).sizes
    mfu = expected_mfu(
        sizes, group.device, _together(group.device, usd, megawatts), booked=around.speeds
    )
    made = cluster_of(
        group.device,
        around.catalogue,
        mfu=mfu,
        usd=usd,
        megawatts=megawatts,
        usd_per_device=group.usd_per_device_hour,
    )
    grams = around.grams(request.grid or None)
    rows = [_yardstick(name, made) for name in _YARDSTICKS]
    return Answer(
        lines=tuple(_lines(asked, group, made, grams, rows, around)),
        values=_values(made, rows),
        explained=_explained(made, mfu),
    )


def _amount(asked: str) -> tuple[float | None, float | None]:
    kind, _, text = asked.partition("=")
    try:
        value = float(text.replace(",", "").replace("_", ""))
    except ValueError:
        value = 0.0
    most = {"usd": 1e13, "mw": 1e6}.get(kind.strip().casefold(), 0.0)
    if not 0 < value <= most:
        raise PlanError(f"--cluster {asked}: that is no cluster", remedy=_FORM)
    return (value, None) if kind.strip().casefold() == "usd" else (None, value)


def _device(request: PlanRequest, around: Surroundings) -> Group:
    if request.hardware == HERE:
        raise PlanError("--cluster of this machine", remedy="name an accelerator: --hardware h100")
    groups = read_pool(request.hardware or _USUAL, around.catalogue)
    if len(groups) > 1 or groups[0].count > 1:
        raise PlanError(
            f"--hardware {request.hardware}: how many there are is the question",
            remedy="name one kind without a number: --hardware h100, or h100@32000 with what you "
            "pay for one with its share of the machine",
        )
    return groups[0]


def _together(device: Accelerator, usd: float | None, megawatts: float | None) -> int:
    """Devices of one run: as many as such clusters put together, never more than there are."""
    del device
    rough = usd / 4e4 if usd is not None else (megawatts or 0.0) * 500
    return max(1, min(_MOST_TOGETHER, int(rough)))


def _yardstick(name: str, made: Cluster) -> tuple[str, Quantity, float, float]:
    """A known training: its device-hours here, how many a year holds, dollars for each, owned."""
    model = published_model(name)
    together = min(_MOST_TOGETHER, made.devices)
    mfu = expected_mfu(model.sizes, made.device, together)
    hours = device_hours(training_flops_of(model.sizes, tokens=model.tokens), made.device, mfu)
    runs = made.device_hours_per_year / hours.value
    return name, hours, runs, made.usd_per_year.value / runs


def _lines(
    asked: str,
    group: Group,
    made: Cluster,
    grams: Quantity | None,
    rows: list[tuple[str, Quantity, float, float]],
    around: Surroundings,
) -> Iterator[str]:
    owned, device = made.owned, made.device
    yield from entry("question", f"{asked} of {device.name}")
    yield from entry(
        "capital",
        f"{made.devices:,} devices at {figure(made.usd_per_device)} USD each with machine and "
        f"network: {amount(made.usd)} USD without the building",
    )
    yield from entry(
        "power",
        f"{made.megawatts:.3g} MW by design at the site's meter, {made.mean_megawatts:.3g} at the "
        f"mean; PUE {owned.pue.value:g}",
    )
    used = made.used_share
    yield from entry(
        "used",
        f"{used.value:.0%} of the time ({used.low:.0%} to {used.high:.0%}): "
        f"{amount(made.device_hours_per_year)} device-hours a year",
    )
    yield from entry("FLOPs", f"{figure(made.flops_per_year)} a year, as {rows[0][0]} would run")
    life = made.life_years
    yield from entry(
        "replaced",
        f"after {life.value:g} years ({life.low:g} to {life.high:g}): "
        f"{amount(made.usd / life.value)} USD a year to keep as many; a device loses "
        f"{_loss(made):.0%} of its worth in a year",
    )
    yield from _energy(made, grams, around)
    yield ""
    yield from table([("terms", "USD a year", "USD per device-hour"), *_terms(made)])
    yield ""
    yield from table(
        [
            ("trains in a year", "runs", "device-hours of one", "USD of one, owned"),
            *((name, amount(runs), figure(hours), amount(usd)) for name, hours, runs, usd in rows),
        ]
    )
    yield ""
    yield from notes(_notes(group, made))


def _energy(made: Cluster, grams: Quantity | None, around: Surroundings) -> Iterator[str]:
    megawatt_hours = made.mean_megawatts * HOURS_PER_YEAR
    if grams is not None:
        tonnes = megawatt_hours * _KWH_PER_MWH * grams.value / _GRAMS_PER_TONNE
        carbon = f"{amount(tonnes)} t CO2e in operation ({grams.source})"
    else:
        least, most = around.catalogue.grid_range()
        low, high = (
            megawatt_hours * _KWH_PER_MWH * one.value / _GRAMS_PER_TONNE for one in (least, most)
        )
        carbon = f"{amount(low)} to {amount(high)} t CO2e in operation, by grid: name one"
    yield from entry("energy", f"{amount(megawatt_hours)} MWh a year; {carbon}")


def _terms(made: Cluster) -> Iterator[tuple[str, str, str]]:
    hours = made.device_hours_per_year
    yield "owned", figure(made.usd_per_year), amount(made.usd_per_year.value / hours)
    for basis in BASES:
        price = made.rented_usd_per_year.get(basis)
        if basis != "owned":
            words = ("unknown", "no price in a list")
            if price is not None:
                words = (figure(price), amount(price.value / hours))
            yield (basis.replace("_", " "), *words)


def _loss(made: Cluster) -> float:
    loss = made.owned.loss_of_value_per_year
    return loss.value if loss is not None else 0.0


def _notes(group: Group, made: Cluster) -> Iterator[str]:
    if group.read_as is not None:
        yield f"{group.read_as}."
    if group.usd_per_device_hour is not None:
        yield "The price behind the @ was taken for one device with its share of the machine."
    yield (
        f"Runs take {min(_MOST_TOGETHER, made.devices):,} devices at most, and several go side by "
        "side; rented hours are those that are used, owned ones the whole year."
    )
    yield "Building, staff, failed runs and search come on top."


def _values(made: Cluster, rows: list[tuple[str, Quantity, float, float]]) -> dict[str, object]:
    return {
        "device": made.device.id,
        "devices": made.devices,
        "usd": made.usd,
        "usd_per_device": made.usd_per_device.to_json(),
        "megawatts": made.megawatts,
        "mean_megawatts": made.mean_megawatts,
        "used_share": made.used_share.model_dump(mode="json"),
        "flops_per_year": made.flops_per_year.to_json(),
        "life_years": made.life_years.to_json(),
        "usd_per_year": {
            "owned": made.usd_per_year.to_json(),
            **{basis: price.to_json() for basis, price in made.rented_usd_per_year.items()},
        },
        "trains": [
            {"model": name, "device_hours": hours.to_json(), "runs_a_year": runs, "usd": usd}
            for name, hours, runs, usd in rows
        ],
    }


def _explained(made: Cluster, mfu: Quantity) -> tuple[tuple[str, str, str], ...]:
    rows = [
        ("capital", "assumed", made.usd_per_device.source),
        ("use", "assumed", "80 % of the time: a judgement, with its range"),
        ("speed", str(mfu.provenance), mfu.source),
        ("terms owned", "assumed", made.usd_per_year.source),
        ("replacement", str(made.life_years.provenance), made.life_years.source),
    ]
    rows += [
        (f"terms {basis.replace('_', ' ')}", "assumed", price.source)
        for basis, price in made.rented_usd_per_year.items()
    ]
    return tuple(rows)
