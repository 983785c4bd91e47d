"""The time of one optimizer step of a layout: computing, waiting, and what of sending shows.

    compute    FLOPs of a rank over the share of the peak that large products reach (`kernel_share`,
               the caller's). A side d of a product fills d / (d + 128) of the units: so small
               micro-batches, narrow slices of tensor parallel ranks and experts with few rows cost
               more. Uneven stages wait for the longest. Full recomputation repeats the layers'
               forward pass; selective takes 2 % more and latent attention's widening again.
    bubble     of a pipeline of P stages, v of them on each rank, and m micro-batches:
               (P - 1) / (v m) of what a micro-batch takes (arXiv 2104.04473)
    data       gradients and weights between replicas; hides behind 0.8 of the computation beside
               it: the whole step's where weights are gathered for each micro-batch, else that of
               one micro-batch (the last backward and the first forward pass)
    expert     rows to experts and back: a row goes to each machine once, however many of its
               experts it visits. In the open, as are the next three; so times of layouts whose
               schedule hides it (DualPipe, arXiv 2412.19437) come out too long
    tensor     all-reduces around each half of a layer
    pipeline   the stream between stages, of which each tensor rank has and sends its part
    context    keys and values around the ring
    offload    gradients to the host, which hide as those between replicas do where all are; its
               update at its memory's speed, and weights back, which nothing hides

FP8 products run at the device's FP8 peak over its bfloat16 peak, times 0.7 for what quantising
takes; attention's core and the output matrix stay as they are. All this is for comparing layouts:
the time of a run comes from what published and booked runs reached (`throughput.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from farthing.cost.architecture import Architecture, LayerGroup, Sparse
from farthing.cost.attention import Latent, causal_pairs
from farthing.cost.communication import Layout, traffic_per_rank
from farthing.cost.flops import TRAINING_PASSES
from farthing.errors import UnknownHardwareError
from farthing.hardware.accelerators import Accelerator
from farthing.predict.kept import HALF_BYTES
from farthing.predict.links import Links
from farthing.predict.memory import GRADIENT_BYTES, WEIGHT_BYTES, Settings
from farthing.predict.split import split_of

_FULL_AGAIN = 1 / TRAINING_PASSES
_SELECTIVE_AGAIN = 0.02
_FP8_REACHED = 0.7
# Rows and columns that one matrix instruction sequence works on.
_TILE = 128
_HIDDEN_SHARE = 0.8
# Rows leave in 8 bits and come back in 16 where products are in FP8.
_FP8_ROWS = 0.75
# What the host's update touches of a weight: it reads four float32 and writes three.
_HOST_UPDATE_BYTES = 28


@dataclass(frozen=True)
class StepSeconds:
    """Seconds of a step, of the rank that takes longest; the parts follow one another.

    Attributes:
        compute: matrix products, recomputation included.
        bubble: waiting for other stages.
        data: exchange between replicas that nothing hides.
        expert: rows to experts and back.
        tensor: between tensor ranks.
        pipeline: between stages.
        context: between ranks of a sequence.
        offload: states in the host's memory.
    """

    compute: float
    bubble: float
    data: float
    expert: float
    tensor: float
    pipeline: float
    context: float
    offload: float

    @property
    def total(self) -> float:
        """Of the whole step."""
        return sum(vars(self).values(), start=0.0)


@dataclass(frozen=True)
class _Work:
    """Training FLOPs of one token by how they run; `narrow` is the narrowest matrix's width."""

    projections: float
    dense: float
    experts: float
    core: float
    output: float
    latent: float
    narrow: int
    narrow_experts: int


class StepClock:
    """Times layouts of one architecture on one kind of device."""

    def __init__(
        self,
        architecture: Architecture,
        device: Accelerator,
        links: Links,
        *,
        length: int,
        kernel_share: float,
    ) -> None:
        """Reads the device's peak.

        Args:
            architecture: what is trained.
            device: on which.
            links: between its ranks.
            length: positions of a sequence.
            kernel_share: of the peak, that large products reach.

        Raises:
            UnknownHardwareError: neither a bfloat16 nor a float16 peak is known.
        """
        self._architecture = architecture
        self._links = links
        self._length = length
        peak = half_peak(device)
        self._flops_per_second = peak * kernel_share
        fp8 = device.peaks.get("fp8")
        self.fp8_gain = max(1.0, _FP8_REACHED * fp8.value / peak) if fp8 else 1.0
        self._split = split_of(architecture)
        self._experts = self._split.stages(1)[0].experts

    @cached_property
    def _work(self) -> _Work:
        return _work_of(self._architecture, self._length)

    def traffic(self, layout: Layout) -> dict[str, int]:
        """Bytes that a rank sends for one sequence, and for data in one exchange of everything."""
        sent = traffic_per_rank(
            self._architecture,
            layout,
            tokens=self._length,
            activation_bytes=HALF_BYTES,
            gradient_bytes=GRADIENT_BYTES,
            weight_bytes=WEIGHT_BYTES,
        )
        return {name: part.bytes for name, part in sent.items()}

    def seconds(
        self, layout: Layout, settings: Settings, *, traffic: dict[str, int], host_weights: float
    ) -> StepSeconds:
        """One step of `settings.micro_batches` forward and backward passes on each rank.

        Args:
            layout: how the model is spread.
            settings: how it runs, with its micro-batches.
            traffic: what `traffic` gives for the layout.
            host_weights: weights that the host updates for a rank, where offloaded.
        """
        batches = settings.micro_batches or 1
        compute = batches * self._micro_compute(layout, settings)
        sequences = batches * settings.micro_sequences
        again = 1.5 if settings.recompute == "full" else 1.0
        tensor = expert = context = pipeline = 0.0
        if layout.tensor > 1:
            ring = self._links.ring(layout.tensor, 1)
            tensor = again * sequences * traffic["tensor"] / ring
        if layout.context > 1:
            ring = self._links.ring(layout.context, layout.tensor)
            context = sequences * traffic["context"] / ring
        if layout.expert > 1 and traffic["expert"]:
            rows = again * sequences * traffic["expert"]
            expert = self._exchange(layout, rows * (_FP8_ROWS if settings.fp8 else 1.0))
        if layout.pipeline > 1:
            hop = self._links.hop(layout.tensor * layout.context * layout.data)
            sent = traffic["pipeline"] / layout.tensor
            pipeline = sequences * sent * settings.virtual_stages / hop
        busy = compute + tensor + expert + context
        waits = (layout.pipeline - 1) / (settings.virtual_stages * batches)
        return StepSeconds(
            compute=compute,
            bubble=busy * waits,
            data=self._data(layout, settings, traffic["data"], compute),
            expert=expert,
            tensor=tensor,
            pipeline=pipeline,
            context=context,
            offload=self._offload(host_weights, settings, compute) if settings.offload else 0.0,
        )

    def _micro_compute(self, layout: Layout, settings: Settings) -> float:
        """Seconds of one micro-batch on the rank whose stage takes longest."""
        work, tensor = self._work, layout.tensor
        rows = settings.micro_sequences * settings.length / layout.context
        gain = self.fp8_gain if settings.fp8 else 1.0
        dense = (work.projections + work.dense) / gain / _filled(rows, work.narrow / tensor)
        layers = dense + work.core
        if work.experts:
            visiting = rows * layout.expert * self._top_k_share
            filled = _filled(visiting, work.narrow_experts / tensor)
            layers += work.experts / gain / filled
        layers *= 1 + self._again(settings, layers)
        counts = self._split.counts(layout.pipeline)
        output = work.output / _filled(rows, self._architecture.width)
        each = layers / max(self._split.layers, 1)
        longest = max(max(counts) * each, counts[-1] * each + output)
        return longest * rows / tensor / self._flops_per_second

    def _again(self, settings: Settings, layers: float) -> float:
        if settings.recompute == "full":
            return _FULL_AGAIN
        if settings.recompute == "none":
            return 0.0
        return _SELECTIVE_AGAIN + self._work.latent / layers

    @cached_property
    def _top_k_share(self) -> float:
        """Rows of one expert for each token of the ranks that share it."""
        blocks = [group.feed_forward for group in self._architecture.groups]
        sparse = [block for block in blocks if isinstance(block, Sparse)]
        return sum(block.top_k / block.experts for block in sparse) / len(sparse) if sparse else 1.0

    def _exchange(self, layout: Layout, sent: float) -> float:
        """Seconds of sending rows, of which `sent` bytes leave a rank in all."""
        degree, stride = layout.expert, layout.tensor * layout.context
        local = self._links.local(degree, stride)
        if local >= degree:
            return self._links.exchange_seconds(sent, 0.0)
        all_rows = sent * degree / (degree - 1)
        nodes = degree / local
        blocks = [group.feed_forward for group in self._architecture.groups]
        chosen = max(block.top_k for block in blocks if isinstance(block, Sparse))
        # Machines that a token's experts are in, if each is drawn as often as any other.
        visited = nodes * (1 - (1 - 1 / nodes) ** chosen)
        leaving = all_rows * visited / chosen * (1 - 1 / nodes)
        # What came from another machine is passed on inside; so is what was for it at once.
        inside = all_rows * (1 - 1 / local) if local > 1 else 0.0
        return self._links.exchange_seconds(inside, leaving)

    def _data(self, layout: Layout, settings: Settings, size: float, compute: float) -> float:
        if not size:
            return 0.0
        batches = settings.micro_batches or 1
        # What does not stay is moved for every micro-batch.
        each = layout.sharding == "weights" or settings.offload
        taken = self._replicas_seconds(layout, size) * (batches if each else 1)
        return _shown(taken, compute if each else compute / batches)

    def _replicas_seconds(self, layout: Layout, size: float) -> float:
        """Of exchanging `size` bytes between the ranks that hold the same weights.

        Those with the same experts are further apart than those with the same of everything else.
        """
        links, everyone = self._links, layout.data * layout.context
        same = everyone // layout.expert
        experts = self._experts / layout.expert * (same - 1) / same
        common = (self._split.total - self._experts) * (everyone - 1) / everyone
        share = experts / (experts + common)
        seconds = (1 - share) * size / links.ring(everyone, layout.tensor)
        if share:
            sequence = links.local(layout.context, layout.tensor)
            stride = layout.tensor * layout.context * layout.expert
            local = sequence * links.local(layout.data // layout.expert, stride)
            seconds += share * size / links.ring_with(same, local)
        return seconds

    def _offload(self, weights: float, settings: Settings, compute: float) -> float:
        links, batches = self._links, settings.micro_batches or 1
        leaving = batches * weights * HALF_BYTES / links.host.value
        share = links.host_memory.value / links.devices_per_node
        update = weights * _HOST_UPDATE_BYTES / share
        return _shown(leaving, compute) + update + weights * WEIGHT_BYTES / links.host.value


def _shown(taken: float, beside: float) -> float:
    """What is left of the seconds of a transfer that runs beside computation."""
    return max(0.0, taken - _HIDDEN_SHARE * beside)


def half_peak(device: Accelerator) -> float:
    """FLOP/s of dense products in bfloat16, or in float16 where the device has no other.

    Raises:
        UnknownHardwareError: neither is known.
    """
    try:
        return device.peak("bf16").value
    except UnknownHardwareError:
        if "fp16" in device.peaks:
            return device.peak("fp16").value
        raise


def _filled(rows: float, columns: float) -> float:
    return rows / (rows + _TILE) * columns / (columns + _TILE)


def _work_of(architecture: Architecture, length: int) -> _Work:
    width = architecture.width
    groups = [(group.count, group) for group in architecture.groups]
    extra = architecture.extra_predictions
    if extra:
        groups.append((extra, architecture.groups[-1]))
    sums = dict.fromkeys(("projections", "dense", "experts", "core", "latent"), 0.0)
    for count, group in groups:
        for name, products in _products(group, width, length).items():
            sums[name] += count * products
    passes = 2 * TRAINING_PASSES
    sums = {name: passes * products for name, products in sums.items()}
    output = passes * width * architecture.vocabulary * (1 + extra)
    blocks = [group.feed_forward for group in architecture.groups]
    inner = [b.shared_inner or width if isinstance(b, Sparse) else b.inner for b in blocks]
    experts = [block.inner for block in blocks if isinstance(block, Sparse)]
    return _Work(
        projections=sums["projections"] + passes * 2 * extra * width**2,
        dense=sums["dense"],
        experts=sums["experts"],
        core=sums["core"],
        output=output,
        # Only the forward pass is done again.
        latent=sums["latent"] / TRAINING_PASSES,
        narrow=min([width, *inner]),
        narrow_experts=min(experts, default=width),
    )


def _products(group: LayerGroup, width: int, length: int) -> dict[str, float]:
    """Multiply-adds of one token in one layer's forward pass."""
    attention, block = group.attention, group.feed_forward
    latent = 0
    if isinstance(attention, Latent):
        queries = attention.heads * (attention.plain_dim + attention.rotary_dim)
        latent = attention.kv_rank * attention.heads * (attention.plain_dim + attention.value_dim)
        latent += (attention.query_rank or 0) * queries
    return {
        "projections": attention.common(width)
        + attention.visited_weights(width)
        + attention.router(width)
        + block.router(width),
        "dense": block.common(width),
        "experts": block.visited_weights(width),
        "core": causal_pairs(length, group.window) / length * attention.pair_products,
        "latent": latent,
    }
