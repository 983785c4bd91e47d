"""A run's beginning: which model, which part of it, how it becomes the run's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from farthing.errors import ConfigError, ShapeError
from farthing.model.config import ModelConfig
from farthing.model.cut import RANKING, cut_config, cut_tensors, expert_counts
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet
from farthing.model.transformer import Transformer
from farthing.stages.train.optimizer import ModelOptimizer
from farthing.stages.train.start.carried import carried_state, check_state, final_checkpoint
from farthing.stages.train.start.config import GrowConfig, StartConfig
from farthing.stages.train.start.grow import (
    check_growth,
    grow_tensors,
    keeps_function,
    source_member,
)
from farthing.stages.train.start.order import first_sequence
from farthing.stages.train.step import TrainingStep
from farthing.text.batches import Batches
from farthing.text.corpus import Corpus


@dataclass(frozen=True)
class Source:
    """A trained model that a run can start from.

    Attributes:
        supernet: opened, on the CPU.
        digest: of what matters of it: weights, sizes and tokenizer.
        parent: digest of the supernet whose training made the weights.
        checkpoints: the folder of its run's training checkpoints; None for an extracted member.
    """

    supernet: Supernet
    digest: str
    parent: str
    checkpoints: Path | None


@dataclass(frozen=True)
class Start:
    """What a run begins with instead of the weights of the seed.

    Attributes:
        source: where the weights come from.
        shape: what of it.
        config: the settings, checked.
        sizes: of the run's own model.
        first_sequence: of the data order that the run reads first.
        reason: why that one.
    """

    source: Source
    shape: Shape
    config: StartConfig
    sizes: ModelConfig
    first_sequence: int
    reason: str

    @property
    def identity(self) -> dict[str, Any]:
        """What of it decides the result, as JSON values: digests, never paths."""
        settings = self.config.model_dump(mode="json", exclude={"from_", "shape", "first_sequence"})
        return {
            **settings,
            "from": self.source.digest,
            "shape": str(self.shape),
            "first_sequence": self.first_sequence,
        }

    @property
    def lineage(self) -> dict[str, Any]:
        """What the new model notes about where it comes from, as JSON values."""
        origin = self.source.supernet.origin
        earlier = origin.get("start") or {}
        return {
            **self.identity,
            "parent": self.source.parent,
            "tokens": int(origin.get("tokens", 0)) + int(earlier.get("tokens", 0)),
        }

    def __str__(self) -> str:
        """Which part of which model, how it was changed, and where the data goes on."""
        parent = self.source.supernet
        words = [f"the weights of {parent.directory} (supernet {self.source.parent[:16]}...)"]
        if self.shape != parent.model.full_shape:
            words.append(f"cut to {self.shape.typed(parent.model.config)}")
        if self.config.grow is not None:
            words.append(self._growth(self.config.grow))
        if self.config.distill is not None:
            words.append(f"taught by all of it, {self.config.distill.weight:g} of the loss")
        words.append(f"optimizer state {self.config.optimizer}")
        words.append(f"data from sequence {self.first_sequence:,}: {self.reason}")
        return "; ".join(words)

    def _growth(self, grow: GrowConfig) -> str:
        _, cut = start_sizes(self.source, self.config.shape)
        full, member = Shape.full(self.sizes), source_member(cut, self.sizes)
        kept = "what it did" if keeps_function(cut, self.sizes, grow) else "something else"
        return (
            f"grown to {full.typed(self.sizes)}, whose member {member.typed(self.sizes)} is the "
            f"source and whose full shape computes {kept}"
        )

    def begin(self, model: Transformer, optimizer: ModelOptimizer, seed: int) -> None:
        """Give the run's model its weights and its optimizer the state that it starts with.

        Args:
            model: of the sizes `sizes`.
            optimizer: of that model, new.
            seed: of the noise on what was copied.

        Raises:
            ConfigError, CheckpointError: state to carry over that does not fit or is damaged.
        """
        parent = self.source.supernet.model
        state = self._changed(parent.state_dict(), parent.config, seed)
        for name, rows in self._pair_biases(model.config.balance_pairs).items():
            state[name] = rows
        model.load_state_dict(state, strict=True)
        if self.config.optimizer == "carried":
            checkpoint = final_checkpoint(self.source.supernet, self.source.checkpoints)
            state = carried_state(self.source.supernet, checkpoint, self.shape)
            check_state(state, model, optimizer)
            optimizer.load_state_tensors(state)

    def teach(self, step: TrainingStep, device: torch.device) -> None:
        """Let the whole source teach the steps of the run, if the settings say so.

        Args:
            step: of the run; takes the source's weights as they are now, for good.
            device: of the run.
        """
        if (distill := self.config.distill) is not None:
            teacher = self.source.supernet.model.to(device).eval().requires_grad_(False)
            step.learn_from(teacher, distill.weight, distill.temperature)

    def _changed(
        self, tensors: Mapping[str, Tensor], config: ModelConfig, seed: int
    ) -> dict[str, Tensor]:
        """`tensors`, named like the state of the source, cut and grown."""
        model = self.source.supernet.model
        if self.shape == model.full_shape:
            # Nothing is cut, so nothing is put into another order either.
            kept = {name: t for name, t in tensors.items() if not name.endswith("pair_bias")}
        else:
            kept = cut_tensors(tensors, config, model.expert_ranking, self.shape)
        if self.config.grow is None:
            return kept
        _, cut = start_sizes(self.source, self.config.shape)
        return grow_tensors(kept, cut, self.sizes, self.config.grow, seed)

    def _pair_biases(self, pairs: Sequence[tuple[int, int]]) -> dict[str, Tensor]:
        """The balancing biases of sizes that have one of their own: what the source chose by."""
        model = self.source.supernet.model
        shared = model.config.model_copy(update={"balance_pairs": ()})
        rows: dict[str, list[Tensor]] = {}
        for pair in pairs:
            biases = {
                f"layers.{layer}.mlp.router.balance_bias": block.router.bias_of(*pair)
                for layer, block in enumerate(
                    model.sparse_blocks(), start=model.config.first_sparse_layer
                )
            }
            # Biases get no noise: the seed does not matter.
            changed = self._changed({RANKING: model.expert_ranking, **biases}, shared, seed=0)
            del changed[RANKING]
            for name, bias_E in changed.items():
                rows.setdefault(name.replace("balance_bias", "pair_bias"), []).append(bias_E)
        return {name: torch.stack(each) for name, each in rows.items()}


def start_sizes(source: Source, shape: str | None) -> tuple[Shape, ModelConfig]:
    """What is cut out of the source, and its sizes as a model of its own.

    Raises:
        ShapeError: the source does not hold the shape, or it is no model with the same experts and
            top-k in every layer.
    """
    model = source.supernet.model
    chosen = Shape.parse(shape, model.config) if shape is not None else model.full_shape
    counts = sorted(set(expert_counts(chosen)))
    if len(counts) > 1:
        raise ShapeError(
            f"the shape {chosen} keeps {counts[0]} to {counts[-1]} experts: a model that is to be "
            "trained on has the same number in every layer",
            remedy="give one count for all layers, as in 4L-8E-2K, or as many ids for each",
        )
    padding = source.supernet.manifest.detail.get("padding_parameters", 0)
    if padding:
        raise ShapeError(
            f"{source.supernet.directory} was extracted with {padding:,} parameters of experts "
            "that can never be chosen: training would carry them along",
            remedy="start from the run it was cut out of, with one expert count for all layers",
        )
    if chosen != model.full_shape:
        return chosen, cut_config(model.config, chosen)
    # Which sizes have a balancing bias of their own is for the run's elastic settings to say.
    return chosen, model.config.model_copy(update={"balance_pairs": ()})


def prepare_start(
    config: StartConfig, source: Source, sizes: ModelConfig, corpus: Corpus, batches: Batches
) -> Start:
    """Check everything that can be checked before there is a run.

    Args:
        config: the settings.
        source: what `config.from_` names, opened.
        sizes: of the run's model.
        corpus: what it will read.
        batches: of that corpus.

    Raises:
        ConfigError: sizes, vocabulary, data order or optimizer state that do not fit.
        ShapeError: see `start_sizes`.
    """
    shape, cut = start_sizes(source, config.shape)
    if config.grow is not None:
        check_growth(cut, sizes, config.grow)
    else:
        _check_sizes(cut, sizes)
    _check_vocabulary(source.supernet, corpus)
    first = first_sequence(config, source.supernet.origin, batches, corpus.digest)
    if config.optimizer == "carried":
        final_checkpoint(source.supernet, source.checkpoints)
    return Start(source, shape, config, sizes, first.number, first.reason)


def _check_sizes(cut: ModelConfig, sizes: ModelConfig) -> None:
    wanted = sizes.model_dump()
    different = {name: value for name, value in cut.model_dump().items() if wanted[name] != value}
    if different:
        name, value = next(iter(different.items()))
        raise ConfigError(
            f"model.{name} is {wanted[name]} in the recipe, and {value} in what training starts "
            f"from ({len(different)} sizes differ: {', '.join(different)})",
            remedy="leave the section `model` out: the sizes come from there; or grow, with "
            "start.grow",
        )


def _check_vocabulary(supernet: Supernet, corpus: Corpus) -> None:
    theirs, ours = supernet.origin["tokenizer"], corpus.tokenizer.fingerprint
    if theirs != ours:
        raise ConfigError(
            f"the tokenizer of {supernet.directory} has the fingerprint {theirs[:16]}..., that of "
            f"the corpus {corpus.directory} {ours[:16]}...: its tokens would mean something else",
            remedy="give the recipe the section `corpus` of the run that made the model (bytes are "
            "the same tokenizer for any text), or train from random weights",
        )


def without_silent_experts(model: Transformer) -> Transformer:
    """The model without shared experts that are all zero, which some readers of files need.

    They compute nothing and no gradient would ever reach them.
    """
    sizes = model.config
    state: Mapping[str, Tensor] = model.state_dict()
    shared = {name for name in state if ".shared_experts." in name}
    if not shared or any(torch.any(state[name] != 0) for name in shared):
        return model
    smaller = sizes.model_copy(update={"num_shared_experts": 0})
    lean = Transformer(smaller, model.vocab_size, model.end_of_text)
    lean.load_state_dict({name: t for name, t in state.items() if name not in shared}, strict=True)
    return lean.eval()
