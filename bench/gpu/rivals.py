"""farthing's step beside nanochat's and torchtitan's on one accelerator, same depth and width.

    python bench/gpu/rivals.py --nanochat CHECKOUT [--depth 20] [--micro 16]

CHECKOUT is karpathy/nanochat at commit 92d63d4; it is imported from there, nothing is copied.
Both train on the same tokens, batch, vocabulary and context, in bf16, with their own optimizers,
compiled as each compiles itself. The models are not the same: nanochat has a ReLU^2 feed-forward
block of 4 D (farthing's SwiGLU is given the width with as many parameters), embeddings of values,
windows in three of four layers (--windows L takes them away). So three figures stand side by side:
tokens per second, each one's own FLOPs per token, and their product. Rounds alternate, so that
heat and clocks meet both. torchtitan's Llama 3 joins in where its package is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from subject import END_OF_TEXT, SEED, VOCAB, ChainText, accelerator, device_name
from torch import Tensor

from farthing.cost.flops import TRAINING_PASSES, flops_per_token
from farthing.model.config import ModelConfig
from farthing.model.initialize import initialize
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.train.compiled import compile_layers
from farthing.stages.train.config import OptimizerConfig
from farthing.stages.train.optimizer import ModelOptimizer

COMMIT = "92d63d4"
HEAD_DIM = 128
# nanochat's --aspect-ratio: width over depth.
ASPECT = 64
WARMUP, ROUNDS, STEPS = 10, 5, 5


@dataclass
class Side:
    """One project's step.

    Attributes:
        step: forward, backward and update on (B, T + 1) tokens; the loss.
        flops: of forward and backward for one token, as this project counts them.
    """

    name: str
    step: Callable[[Tensor], Tensor]
    flops: float


def main() -> None:
    """Print one line per side."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nanochat", type=Path, help=f"a checkout at commit {COMMIT}")
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--micro", type=int, default=16, help="sequences of a step")
    parser.add_argument("--windows", default="SSSL", help="nanochat's --window-pattern")
    options = parser.parse_args()
    device = accelerator()
    torch.set_float32_matmul_precision("high")
    sides = [farthing_side(options, device)]
    if options.nanochat:
        sides.append(nanochat_side(options, device))
    if importlib.util.find_spec("torchtitan"):
        sides.append(torchtitan_side(options, device))
    if len(sides) == 1:
        print("nothing to compare with: give --nanochat, or install torchtitan")
    print(f"{device_name(device)}, torch {torch.__version__}; {' '.join(sys.argv)}")
    tokens_BW = _tokens(options, device)
    seconds = interleave(sides, tokens_BW, device)
    tokens = options.micro * options.context
    for side in sides:
        laps = sorted(seconds[side.name])
        rate = tokens / laps[len(laps) // 2]
        print(
            f"{side.name:<10} {rate:10,.0f} tokens/s ({tokens / laps[-1]:,.0f} to "
            f"{tokens / laps[0]:,.0f}), {side.flops / 1e9:.2f} GFLOP a token by its own count, "
            f"{rate * side.flops / 1e12:.0f} TFLOP/s"
        )


def interleave(
    sides: list[Side], tokens_BW: Tensor, device: torch.device
) -> dict[str, list[float]]:
    """Seconds of a step of each side, one figure for each round."""
    for side in sides:
        for _ in range(WARMUP):
            side.step(tokens_BW)
    seconds: dict[str, list[float]] = {side.name: [] for side in sides}
    for _ in range(ROUNDS):
        for side in sides:
            _wait(device)
            began = time.perf_counter()
            for _ in range(STEPS):
                side.step(tokens_BW)
            _wait(device)
            seconds[side.name].append((time.perf_counter() - began) / STEPS)
    return seconds


def farthing_side(options: argparse.Namespace, device: torch.device) -> Side:
    """A dense model of nanochat's depth and width, with as many parameters in each layer."""
    width = options.depth * ASPECT
    heads = -(-width // HEAD_DIM)
    width = heads * HEAD_DIM
    # Three matrices of width x 8/3 width hold what two of width x 4 width hold.
    inner = round(8 * width / 3 / 128) * 128
    sizes = ModelConfig(
        num_layers=options.depth,
        hidden_dim=width,
        num_heads=heads,
        num_kv_heads=heads,
        head_dim=HEAD_DIM,
        dense_ffn_dim=inner,
        num_experts=0,
        context=options.context,
    )
    model = Transformer(sizes, VOCAB, END_OF_TEXT)
    initialize(model, SEED)
    model.to(device).train()
    compile_layers(model, "blocks")
    optimizer = ModelOptimizer(model, OptimizerConfig())

    def step(tokens_BW: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            loss = model.mean_nats(tokens_BW[:, :-1], tokens_BW[:, 1:])
        loss.backward()
        optimizer.step(1.0)
        return loss.detach()

    flops = TRAINING_PASSES * flops_per_token(sizes, VOCAB, Shape.full(sizes))
    return Side("farthing", step, flops)


def nanochat_side(options: argparse.Namespace, device: torch.device) -> Side:
    """The GPT of nanochat, its optimizer and compilation as in its scripts/base_train.py."""
    _check_commit(options.nanochat)
    sys.path.insert(0, str(options.nanochat))
    gpt: Any = importlib.import_module("nanochat.gpt")
    heads = -(-options.depth * ASPECT // HEAD_DIM)
    config = gpt.GPTConfig(
        sequence_len=options.context,
        vocab_size=VOCAB,
        n_layer=options.depth,
        n_head=heads,
        n_kv_head=heads,
        n_embd=heads * HEAD_DIM,
        window_pattern=options.windows,
    )
    with torch.device("meta"):
        model = gpt.GPT(config)
    model.to_empty(device=device)
    model.init_weights()
    flops = float(model.estimate_flops())
    optimizer = model.setup_optimizer()
    compiled = torch.compile(model, dynamic=False)

    def step(tokens_BW: Tensor) -> Tensor:
        loss: Tensor = compiled(tokens_BW[:, :-1].contiguous(), tokens_BW[:, 1:].contiguous())
        loss.backward()
        optimizer.step()
        model.zero_grad(set_to_none=True)
        return loss.detach()

    return Side("nanochat", step, flops)


def torchtitan_side(options: argparse.Namespace, device: torch.device) -> Side:
    """The Llama 3 of torchtitan, each block compiled, with torch's fused AdamW."""
    model_module: Any = importlib.import_module("torchtitan.models.llama3")
    heads = -(-options.depth * ASPECT // HEAD_DIM)
    try:
        sizes = model_module.TransformerModelArgs(
            dim=heads * HEAD_DIM,
            n_layers=options.depth,
            n_heads=heads,
            vocab_size=VOCAB,
            max_seq_len=options.context,
        )
        model = model_module.Transformer(sizes).to(device)
    except (AttributeError, TypeError) as error:
        raise SystemExit(
            f"this release of torchtitan builds its models in another way ({error}): "
            "uninstall it, or adapt torchtitan_side"
        ) from error
    model.init_weights()
    for block in model.layers.values():
        block.compile()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, fused=True)

    def step(tokens_BW: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits_BTV = model(tokens_BW[:, :-1])
        loss = torch.nn.functional.cross_entropy(
            logits_BTV.flatten(0, 1).float(), tokens_BW[:, 1:].flatten()
        )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    weights = sum(w.numel() for w in model.parameters()) - VOCAB * heads * HEAD_DIM
    attention = 6 * options.depth * heads * HEAD_DIM * options.context
    return Side("torchtitan", step, float(6 * weights + attention))


def _check_commit(checkout: Path) -> None:
    asked = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    if not found.startswith(COMMIT):
        raise SystemExit(
            f"{checkout} is not nanochat at {COMMIT} (found {found or 'no git repository'}): "
            f"git -C {checkout} checkout {COMMIT}"
        )


def _tokens(options: argparse.Namespace, device: torch.device) -> Tensor:
    """One batch without document boundaries, which nanochat's attention does not know."""
    tokens_BW = ChainText(options.context).batch(0, options.micro).tokens
    tokens_BW = np.where(tokens_BW == END_OF_TEXT, 1, tokens_BW)
    return torch.from_numpy(tokens_BW).to(device)


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


if __name__ == "__main__":
    main()
