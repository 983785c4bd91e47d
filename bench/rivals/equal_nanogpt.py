"""`baseline-nanogpt` is nanoGPT: equal logits from equal weights, equal weights after equal steps.

    python bench/rivals/equal_nanogpt.py --nanogpt PATH [--json FILE]

nanoGPT draws its weights (bias=False, no dropout); they are copied into farthing's model with the
recipe's settings. Compared: the logits, and every weight after steps of each side's optimizer
(nanoGPT's `configure_optimizers`, farthing's `ModelOptimizer` with the recipe's settings, both at
one rate, clipped alike) on the same batches. No document starts inside a sequence: nanoGPT does
not know where one does. AdamW divides a gradient by its own size, so rounding alone moves a weight
whose gradient is nearly zero by a whole step: in fp32 the mean difference is compared, in fp64 the
largest.
"""

from __future__ import annotations

import contextlib
import io
import math
import sys
from dataclasses import dataclass
from typing import Any

import nanogpt
import torch
from measure import Figure, Outcome, arguments, pin
from torch import Tensor, nn

from farthing.flow.config import RunConfig
from farthing.model.config import ModelConfig
from farthing.model.initialize import initialize
from farthing.model.transformer import Transformer
from farthing.recipes.loader import load_recipe
from farthing.stages.train.config import OptimizerConfig
from farthing.stages.train.optimizer import ModelOptimizer

RECIPE = "baseline-nanogpt"
VOCAB, END_OF_TEXT = 300, 0
ROWS, STEPS = 4, 5
CLIP = 1.0
# What is compared: in words with its unit, the unit, the most of it. The spreads are of two draws
# of one distribution, of a few thousand numbers and more.
LIMITS: dict[str, tuple[str, float, float]] = {
    "logits": ("largest difference of logits, fp32, in 1e-6", 1e-6, 10.0),
    "mean": (f"mean difference of a matrix after {STEPS} steps, fp32, in 1e-6", 1e-6, 1.0),
    "largest": (f"largest difference of a weight after {STEPS} steps, fp64, in 1e-12", 1e-12, 1.0),
    "spreads": ("relative difference of a first matrix's spread, in 1 %", 0.01, 5.0),
}


@dataclass(frozen=True)
class Pair:
    """The same model twice."""

    theirs: nn.Module
    ours: Transformer


def main() -> None:
    """Compare, print, write; exit code 1 where the two differ."""
    parser = arguments(__doc__)
    nanogpt.add_option(parser)
    asked = parser.parse_args()
    module = nanogpt.load_model_module(nanogpt.checked(asked.nanogpt))
    pin(asked.cpu)
    torch.set_num_threads(1)
    run = load_recipe(RECIPE, [], RunConfig)
    outcome = Outcome("equal_nanogpt", "baseline-nanogpt against nanoGPT", asked.seeds, [])
    outcome.versions["nanoGPT"] = nanogpt.COMMIT[:8]
    found: dict[str, list[float]] = {name: [] for name in LIMITS}
    for seed in asked.seeds:
        for name, value in compare(module, run, seed).items():
            found[name].append(value / LIMITS[name][1])
    for name, (what, _, limit) in LIMITS.items():
        figure = Figure.of(found[name])
        outcome.target(what, "<=", limit, figure, holds=max(found[name]) <= limit)
    outcome.close(asked.json)
    if not all(target["met"] for target in outcome.targets):
        sys.exit(1)


def compare(module: Any, run: RunConfig, seed: int) -> dict[str, float]:  # noqa: ANN401 - a module
    """Everything in `LIMITS`, for one seed."""
    pair = make_pair(module, run.model, seed)
    found = {"spreads": spreads_apart(pair)}
    copy_weights(pair)
    found["logits"] = logits_apart(pair, seed)
    take_steps(pair, run.train.optimizer, seed)
    found["mean"] = max(float(apart.mean()) for apart in weights_apart(pair))
    pair = make_pair(module, run.model, seed)
    pair.theirs.double()
    pair.ours.double()
    copy_weights(pair)
    take_steps(pair, run.train.optimizer, seed)
    found["largest"] = max(float(apart.max()) for apart in weights_apart(pair))
    return found


def make_pair(module: Any, sizes: ModelConfig, seed: int) -> Pair:  # noqa: ANN401 - a module
    """Both models, each with the first weights that it draws itself."""
    torch.manual_seed(seed)
    theirs = module.GPTConfig(
        block_size=sizes.context,
        vocab_size=VOCAB,
        n_layer=sizes.num_layers,
        n_head=sizes.num_heads,
        n_embd=sizes.hidden_dim,
        dropout=0.0,
        bias=False,
    )
    ours = Transformer(sizes, VOCAB, END_OF_TEXT)
    initialize(ours, seed)
    # It prints about itself.
    with contextlib.redirect_stdout(io.StringIO()):
        return Pair(module.GPT(theirs), ours)


def their_names(sizes: ModelConfig) -> dict[str, tuple[str, int | None]]:
    """Of each of our weights: its name there, and which third of that matrix it is."""
    names: dict[str, tuple[str, int | None]] = {
        "embed_tokens.weight": ("transformer.wte.weight", None),
        "embed_positions.weight": ("transformer.wpe.weight", None),
        "norm.weight": ("transformer.ln_f.weight", None),
    }
    for layer in range(sizes.num_layers):
        here, there = f"layers.{layer}", f"transformer.h.{layer}"
        names |= {
            f"{here}.self_attn.{kind}_proj.weight": (f"{there}.attn.c_attn.weight", third)
            for third, kind in enumerate("qkv")
        }
        names |= {
            f"{here}.input_layernorm.weight": (f"{there}.ln_1.weight", None),
            f"{here}.self_attn.o_proj.weight": (f"{there}.attn.c_proj.weight", None),
            f"{here}.post_attention_layernorm.weight": (f"{there}.ln_2.weight", None),
            f"{here}.mlp.up_proj.weight": (f"{there}.mlp.c_fc.weight", None),
            f"{here}.mlp.down_proj.weight": (f"{there}.mlp.c_proj.weight", None),
        }
    return names


def paired_weights(pair: Pair) -> list[tuple[Tensor, Tensor]]:
    """Every weight of ours beside what it is there; all of both, once."""
    theirs, names = dict(pair.theirs.named_parameters()), their_names(pair.ours.config)
    pairs = []
    for name, ours in pair.ours.named_parameters():
        full_name, third = names.pop(name)
        full = theirs[full_name]
        pairs.append((ours, full if third is None else full.chunk(3)[third]))
    assert not names, names
    assert sum(ours.numel() for ours, _ in pairs) == sum(w.numel() for w in theirs.values())
    return pairs


@torch.no_grad()
def copy_weights(pair: Pair) -> None:
    """Theirs into ours."""
    for ours, theirs in paired_weights(pair):
        ours.copy_(theirs)


@torch.no_grad()
def spreads_apart(pair: Pair) -> float:
    """How differently the two draw first weights: the largest relative difference of spreads."""
    matrices = [(ours, theirs) for ours, theirs in paired_weights(pair) if ours.ndim == 2]
    return max(abs(float(ours.std() / theirs.std()) - 1) for ours, theirs in matrices)


def windows(sizes: ModelConfig, seed: int) -> Tensor:
    """Random tokens without a document's start."""
    source = torch.Generator().manual_seed(seed)
    return torch.randint(1, VOCAB, (ROWS, sizes.context + 1), generator=source)


@torch.no_grad()
def logits_apart(pair: Pair, seed: int) -> float:
    """The largest difference of all logits of a batch."""
    tokens_BW = windows(pair.ours.config, seed)
    # Without targets, its forward gives the last position's logits only.
    theirs_BTV, _ = pair.theirs(tokens_BW[:, :-1], tokens_BW[:, 1:].contiguous())
    return float((pair.ours(tokens_BW[:, :-1]) - theirs_BTV).abs().max())


def take_steps(pair: Pair, config: OptimizerConfig, seed: int) -> None:
    """Some steps of each side on the same batches, at the recipe's peak rate."""
    assert config.matrix_learning_rate is not None
    rate = config.matrix_learning_rate
    with contextlib.redirect_stdout(io.StringIO()):
        theirs: Any = pair.theirs
        adamw = theirs.configure_optimizers(config.weight_decay, rate, config.adam_betas, "cpu")
    optimizer = ModelOptimizer(pair.ours, config)
    for step in range(STEPS):
        tokens_BW = windows(pair.ours.config, seed * STEPS + step + 1)
        inputs_BT, targets_BT = tokens_BW[:, :-1], tokens_BW[:, 1:].contiguous()
        _, their_loss = pair.theirs(inputs_BT, targets_BT)
        our_loss = pair.ours.mean_nats(inputs_BT, targets_BT)
        assert math.isclose(float(their_loss.detach()), float(our_loss.detach()), rel_tol=1e-4)
        for model, loss in ((pair.theirs, their_loss), (pair.ours, our_loss)):
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        adamw.step()
        adamw.zero_grad(set_to_none=True)
        optimizer.step(1.0, step)


@torch.no_grad()
def weights_apart(pair: Pair) -> list[Tensor]:
    """The difference of every weight, matrix by matrix."""
    return [(ours - theirs).abs() for ours, theirs in paired_weights(pair)]


if __name__ == "__main__":
    main()
