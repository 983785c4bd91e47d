"""The memory that one rank of a layout needs on an accelerator, part by part.

    need = rank_memory(architecture, layout, micro_sequences=1, length=8192, recompute="none",
                       fp8=False, offload=False, optimizer="adamw")
    print(need.total)

Mixed precision as Megatron-LM and torch train in it: 18 bytes for each weight with AdamW, 14 with
Muon for hidden matrices.

    weights      bfloat16                                       2
    gradients    float32, added up over micro-batches           4   (ZeRO, arXiv 1910.02054, keeps
                                                                     them in 16 bits: 16 in all)
    states       float32 weights, and moments                   4 + 8 (AdamW), 4 + 4 (Muon)

Sharding spreads them over the ranks that hold the same: the states (ZeRO 1; 6 + 12/d bytes, as the
Megatron-LM documentation has it), or all three (ZeRO 3, FSDP). Offload puts states and gradients
into the host's memory, where gradients go as they come (ZeRO-Offload, 2101.06840). Tensor parallel
ranks share activations too, the stream included (sequence parallel, 2205.05198); attention never
stores its scores.

Pipelines run one forward, one backward (2104.04473): a rank of stage s holds the activations of as
many micro-batches as there are stages from it on; with v virtual stages on each rank the first one
holds (P - 1) / v more. The rank that needs most is the one that is given. Its buffers are the rest:

    logits       of a micro-batch in bfloat16, in float32 for the loss, and its float32 gradient; on
                 the last stage (a fused loss needs less)
    gathered     with sharded weights: two layers in bfloat16 and one layer's gradient; with offload
                 the gradient
    optimizer    Muon: a layer's matrices with their products in bfloat16
    8-bit copies with FP8 products, of the hidden matrices and their transposes
    reserve      1.5 GB of the runtime and its communication, and 4 % of the rest for holes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from farthing.cost.architecture import Architecture
from farthing.cost.communication import Layout
from farthing.predict.kept import Recompute
from farthing.predict.split import Held, Split, split_of

Optimizer: TypeAlias = Literal["muon", "adamw"]

WEIGHT_BYTES = 2
GRADIENT_BYTES = 4
_MASTER_BYTES = 4
_MOMENT_BYTES = 4
_LOGIT_BYTES = 2 + 4 + 4
# An 8-bit copy and its transpose: matrix units read one order only.
_FP8_COPIES = 2
# Newton-Schulz: the iterate before and behind a step, and its squares, in bfloat16.
_ORTHOGONAL_BYTES = 3 * WEIGHT_BYTES
_RUNTIME_BYTES = 1_500_000_000
_HOLES = 0.04


@dataclass(frozen=True)
class RankMemory:
    """Bytes of the rank that needs most.

    Attributes:
        weights: that it computes with.
        gradients: of them.
        states: of the optimizer, float32 weights included.
        activations: of the micro-batches on their way.
        buffers: everything else, with what the runtime takes.
        host: bytes in the memory of its machine, beside all these.
        stage: which pipeline stage it is on, from 0.
    """

    weights: int
    gradients: int
    states: int
    activations: int
    buffers: int
    host: int = 0
    stage: int = 0

    @property
    def total(self) -> int:
        """On the device."""
        return self.weights + self.gradients + self.states + self.activations + self.buffers


@dataclass(frozen=True)
class Settings:
    """How a layout runs: what decides memory beside the layout itself.

    Attributes:
        micro_sequences: sequences of one forward pass.
        length: positions of a sequence.
        recompute: what the backward pass makes again.
        fp8: whether hidden products are in FP8.
        offload: whether gradients and the optimizer's states are on the host.
        optimizer: of hidden matrices; AdamW has the others.
        virtual_stages: stages of each rank.
        micro_batches: forward passes of a rank in a step; None for at least as many as stages.
    """

    micro_sequences: int
    length: int
    recompute: Recompute
    fp8: bool
    offload: bool
    optimizer: Optimizer
    virtual_stages: int = 1
    micro_batches: int | None = None


def rank_memory(
    architecture: Architecture,
    layout: Layout,
    *,
    micro_sequences: int,
    length: int,
    recompute: Recompute,
    fp8: bool,
    offload: bool,
    optimizer: Optimizer,
    virtual_stages: int = 1,
    micro_batches: int | None = None,
) -> RankMemory:
    """Bytes on the device of the rank that needs most.

    Args:
        architecture: what is trained.
        layout: how it is spread; degrees are taken to divide what they split.
        micro_sequences: sequences of one forward pass.
        length: positions of a sequence.
        recompute: what the backward pass makes again (`kept.py`).
        fp8: whether hidden products are in FP8.
        offload: whether gradients and the optimizer's states are on the host.
        optimizer: of hidden matrices; AdamW has the others.
        virtual_stages: pipeline stages of each rank, interleaved.
        micro_batches: forward passes of a rank in a step; None for at least as many as stages.

    Raises:
        ValueError: more pipeline stages than layers.
    """
    settings = Settings(
        micro_sequences=micro_sequences,
        length=length,
        recompute=recompute,
        fp8=fp8,
        offload=offload,
        optimizer=optimizer,
        virtual_stages=virtual_stages,
        micro_batches=micro_batches,
    )
    split = split_of(architecture)
    return memory_of(split, layout, loads_of(split, layout, optimizer), settings)


@dataclass(frozen=True)
class Load:
    """What a stage of a layout always takes: bytes of a rank, and what they are counted from."""

    stage: int
    held: Held
    hidden: float
    weights: int
    gradients: int
    states: int


def loads_of(split: Split, layout: Layout, optimizer: Optimizer) -> list[Load]:
    """The stages that can need most, with what no setting but offload changes.

    Args:
        split: the architecture's layers.
        layout: how they are spread.
        optimizer: of hidden matrices.

    Raises:
        ValueError: more pipeline stages than layers.
    """
    held = split.stages(layout.pipeline)
    # Between the ends all that differs are the layers, and the earlier holds more micro-batches.
    heaviest = max(
        range(1, layout.pipeline - 1),
        key=lambda stage: (held[stage].total, -stage),
        default=0,
    )
    looked_at = {0, min(1, layout.pipeline - 1), heaviest, layout.pipeline - 1}
    return [_load(split, layout, optimizer, stage, held[stage]) for stage in sorted(looked_at)]


def memory_of(
    split: Split, layout: Layout, loads: Sequence[Load], settings: Settings
) -> RankMemory:
    """As `rank_memory`, for a search that asks often, with what `loads_of` gave."""
    found = [_of_stage(split, layout, load, settings) for load in loads]
    return max(found, key=lambda memory: memory.total)


def state_bytes(optimizer: Optimizer) -> int:
    """Of one hidden weight's float32 copy and moments."""
    return _MASTER_BYTES + (1 if optimizer == "muon" else 2) * _MOMENT_BYTES


def _load(split: Split, layout: Layout, optimizer: Optimizer, stage: int, held: Held) -> Load:
    common = (held.common + _outer(split, layout, stage)) / layout.tensor
    experts = held.experts / layout.tensor / layout.expert
    replicas = layout.data * layout.context
    # How far what is sharded shrinks: experts have fewer ranks that hold the same.
    all_weights = common + experts
    sharded = common / replicas + experts / (replicas // layout.expert)
    hidden = (held.common + held.experts / layout.expert) / layout.tensor
    share = hidden / all_weights if all_weights and optimizer == "muon" else 0.0
    of_states = _MASTER_BYTES + (2 - share) * _MOMENT_BYTES
    weights = sharded if layout.sharding == "weights" else all_weights
    states = all_weights if layout.sharding == "none" else sharded
    return Load(
        stage=stage,
        held=held,
        hidden=hidden,
        weights=round(WEIGHT_BYTES * weights),
        gradients=round(GRADIENT_BYTES * weights),
        states=round(of_states * states),
    )


def _of_stage(split: Split, layout: Layout, load: Load, settings: Settings) -> RankMemory:
    activations = _activations(layout, settings, load.stage, load.held)
    buffers = _buffers(split, layout, settings, load)
    states, gradients = (0, 0) if settings.offload else (load.states, load.gradients)
    holes = _HOLES * (load.weights + gradients + states + activations + buffers)
    return RankMemory(
        weights=load.weights,
        gradients=gradients,
        states=states,
        activations=activations,
        buffers=round(buffers + holes) + _RUNTIME_BYTES,
        host=load.states + load.gradients if settings.offload else 0,
        stage=load.stage,
    )


def _outer(split: Split, layout: Layout, stage: int) -> int:
    """Weights outside the layers; a tied matrix is there once where both its uses are."""
    first, last = stage == 0, stage == layout.pipeline - 1
    outer = split.outside if last else 0
    if first and last:
        return outer + split.embedding + (0 if split.architecture.tied else split.output)
    return outer + (split.embedding if first else 0) + (split.output if last else 0)


def tokens_of_rank(layout: Layout, settings: Settings) -> float:
    """Of one forward pass."""
    return settings.micro_sequences * settings.length / layout.context


def _activations(layout: Layout, settings: Settings, stage: int, held: Held) -> int:
    tokens = tokens_of_rank(layout, settings) / layout.tensor
    kept = held.kept[settings.recompute, settings.fp8]
    flying = layout.pipeline - stage
    if settings.micro_batches is not None:
        flying = min(flying, settings.micro_batches)
    more = 0.0
    if settings.virtual_stages > 1:
        more = (layout.pipeline - 1) / settings.virtual_stages
        if settings.micro_batches is not None:
            more = min(more, settings.micro_batches - flying)
    # While a layer runs back it is there in full, with the gradients inside.
    again = (held.kept["none", settings.fp8] - kept) / max(held.layers, 1)
    return round(tokens * (kept * (flying + more) + again + held.working))


def _buffers(split: Split, layout: Layout, settings: Settings, load: Load) -> float:
    tensor, held = layout.tensor, load.held
    largest = (held.largest + held.largest_experts / layout.expert) / tensor
    size = 0.0
    if load.stage == layout.pipeline - 1:
        logits = tokens_of_rank(layout, settings) * split.architecture.vocabulary / tensor
        size += logits * _LOGIT_BYTES
    gathered = layout.sharding == "weights" and layout.data * layout.context > 1
    widest = max(largest, _outer(split, layout, load.stage) / tensor)
    if gathered:
        size += widest * 2 * WEIGHT_BYTES
    if gathered or settings.offload:
        size += widest * GRADIENT_BYTES
    if settings.optimizer == "muon" and not settings.offload:
        size += largest * _ORTHOGONAL_BYTES
    if settings.fp8:
        # Gathered weights are made into 8 bits layer by layer.
        size += _FP8_COPIES * (largest if gathered else load.hidden)
    return size
