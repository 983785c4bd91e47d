"""The memory that training a model takes, part by part, and the moment that takes most.

    memory = training_memory(config, vocab_size, micro_sequences=4)
    print(memory.peak, memory.phase)

Weights, gradients and optimizer states are float32. Gradients come into being in the backward pass,
states at the first update: from the second step on three moments can be the highest.

    loss       all activations, and the output matrix's gradient twice while it is scaled
    backward   at some layer: the activations up to it, the gradients from it on
    update     every gradient, and the copies that Newton-Schulz works on

Counted are the tensors. Beside them a process has torch itself and its threads' buffers, which no
model changes. And on CPU training keeps what it frees (`kernels/memory.py`), so that holes between
blocks stay resident: `resident` estimates them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from farthing.cost.activations import (
    FLOAT_BYTES,
    LayerBytes,
    heads_width,
    held_until_backward,
    native_activations,
)
from farthing.cost.architecture import architecture_of
from farthing.cost.parameters import architecture_parameters, layer_parameters
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape

# Measured where freed memory is kept (docs/results/cost.md): 3 to 21 % more than the tensors.
_HOLES = 0.10


@dataclass(frozen=True)
class MemoryBytes:
    """Bytes of a training process's tensors, from its second step on.

    Attributes:
        weights: with the tables of rotary positions.
        gradients: of all weights.
        states: of the optimizer.
        activations: of all layers at the end of the forward pass.
        phases: what is there at the highest moment of each phase, all together.
    """

    weights: int
    gradients: int
    states: int
    activations: int
    phases: dict[str, int]

    @property
    def phase(self) -> str:
        """The phase that takes most."""
        return max(self.phases, key=lambda phase: self.phases[phase])

    @property
    def peak(self) -> int:
        """What that phase takes."""
        return self.phases[self.phase]

    @property
    def resident(self) -> int:
        """An estimate of the same with the holes between blocks, on CPU."""
        return round(self.peak * (1 + _HOLES))


def training_memory(
    config: ModelConfig,
    vocab_size: int,
    *,
    micro_sequences: int,
    matrix_optimizer: Literal["muon", "adamw"] = "muon",
    turns: int = 1,
    accumulated: bool = False,
    recomputed: Collection[int] = (),
    held: Sequence[LayerBytes] | None = None,
) -> MemoryBytes:
    """Predict the memory of steps that train the full shape.

    Args:
        config: the model.
        vocab_size: rows of its embedding and output matrices.
        micro_sequences: sequences of one forward pass, each as long as the context.
        matrix_optimizer: of the hidden matrices; AdamW has the others.
        turns: steps between two turns of a matrix, where Muon takes turns.
        accumulated: whether a step has several micro-batches or passes: gradients of the earlier
            ones are there while the later run.
        recomputed: layers that keep their input only.
        held: what each layer keeps, as measured; None for the compiled kernels on CPU in float32.
    """
    held = native_activations(config) if held is None else held
    parts = _Parts(config, vocab_size, micro_sequences, accumulated=accumulated)
    states = _state_elements(config, vocab_size, matrix_optimizer) * FLOAT_BYTES
    resident = parts.weights + states
    kept = [
        held_until_backward(held, layer, micro_sequences, recomputed) for layer in range(len(held))
    ]
    phases = {
        "loss": resident + sum(kept) + parts.at_loss,
        "backward": resident + _backward(parts, held, kept, micro_sequences),
        "update": resident + parts.gradients,
    }
    if matrix_optimizer == "muon":
        phases["update"] += _newton_schulz(config, turns)
    return MemoryBytes(
        weights=parts.weights,
        gradients=parts.gradients,
        states=states,
        activations=sum(kept),
        phases=phases,
    )


class _Parts:
    """Sizes in bytes of what the phases are made of."""

    def __init__(
        self, config: ModelConfig, vocab_size: int, sequences: int, *, accumulated: bool
    ) -> None:
        sizes = architecture_of(config, vocab_size, Shape.full(config))
        self.of_layer = [
            FLOAT_BYTES * layer_parameters(sizes, group)[0]
            for group in sizes.groups
            for _ in range(group.count)
        ]
        total = FLOAT_BYTES * architecture_parameters(sizes).total
        tables = 0 if config.longest else 2 * config.context * config.head_dim * FLOAT_BYTES
        self.weights, self.gradients = total + tables, total
        self._accumulated = accumulated
        self._config = config
        tokens = sequences * config.context
        self._per_token = FLOAT_BYTES * tokens
        self._stream = self._per_token * config.hidden_dim
        self._matrix = FLOAT_BYTES * vocab_size * config.hidden_dim

    @property
    def at_loss(self) -> int:
        """Beside the layers' activations: the last norm's input, both gradients and their copies.

        The gradients of the loss are made with it, and scaled into copies when it runs back.
        """
        earlier = self.gradients if self._accumulated else 0
        return earlier + self._stream + 2 * (self._stream + self._matrix)

    def gradients_from(self, layer: int) -> int:
        """Of the output matrix and all layers from `layer` on; those of earlier passes too."""
        fresh = self._matrix + sum(self.of_layer[layer:])
        if self._accumulated:
            # A new one is added to the old ones layer by layer.
            return self.gradients + self.of_layer[layer]
        return fresh

    def working(self, layer: int) -> int:
        """What the backward pass of a layer makes for itself: the widest of its moments."""
        config = self._config
        # Into attention's projections: the gradients of the heads, then those of the rows.
        moments = [2 * heads_width(config)]
        if config.is_sparse(layer):
            moments.append(config.top_k * config.hidden_dim + config.hidden_dim)
            moments.append(3 * config.shared_dim)
        else:
            moments.append((3 if config.activation == "swiglu" else 2) * config.dense_ffn_dim)
        # And the gradient of the stream, before and behind the part.
        return 2 * self._stream + self._per_token * max(moments)

    @property
    def at_embedding(self) -> int:
        """At the end of the backward pass: a tied matrix has a second gradient, to be added."""
        twice = self._accumulated or self._config.tie_embeddings
        return self.gradients + self._stream + (self._matrix if twice else 0)


def _backward(
    parts: _Parts, held: Sequence[LayerBytes], kept: Sequence[int], sequences: int
) -> int:
    highest, below = parts.at_embedding, 0
    for layer, of_layer in enumerate(held):
        # A recomputed layer holds everything while it runs back.
        now = below + of_layer.saved(sequences)
        highest = max(highest, now + parts.gradients_from(layer) + parts.working(layer))
        below += kept[layer]
    return highest


def _matrices(config: ModelConfig) -> Counter[tuple[int, int]]:
    """How many hidden matrices of each (rows, columns) there are: experts are one each."""
    width, heads = config.hidden_dim, config.num_heads * config.head_dim
    keys = config.num_kv_heads * config.head_dim
    found: Counter[tuple[int, int]] = Counter()
    for layer in range(config.num_layers):
        found[heads, width] += 1
        found[keys, width] += 2
        found[width, heads] += 1
        blocks = [(1, config.dense_ffn_dim)]
        if config.is_sparse(layer):
            blocks = [(config.num_experts, config.expert_dim)]
            blocks += [(1, config.shared_dim)] if config.shared_dim else []
        for count, inner in blocks:
            found[inner, width] += count * (config.ffn_matrices - 1)
            found[width, inner] += count
    return found


def _state_elements(
    config: ModelConfig, vocab_size: int, matrix_optimizer: Literal["muon", "adamw"]
) -> int:
    sizes = architecture_of(config, vocab_size, Shape.full(config))
    total = architecture_parameters(sizes).total
    if matrix_optimizer == "adamw":
        return 2 * total
    matrices = sum(count * rows * columns for (rows, columns), count in _matrices(config).items())
    return matrices + 2 * (total - matrices)


def _newton_schulz(config: ModelConfig, turns: int) -> int:
    """Beside the gradients: the updates of all matrices whose turn it is, and of one size work.

    Work are the updates laid side by side, their iterate before and behind a step, and two squares.
    """
    found = _matrices(config)
    updates = sum(count * rows * columns for (rows, columns), count in found.items())
    work = max(
        count * (3 * rows * columns + 2 * min(rows, columns) ** 2)
        for (rows, columns), count in found.items()
    )
    return FLOAT_BYTES * (updates + work) // turns
