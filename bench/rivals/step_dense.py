"""One dense training step: farthing's model without experts against nanoGPT's `GPT`.

    python bench/rivals/step_dense.py --nanogpt PATH [--json FILE]

Same layers, width, heads, context, batch and vocabulary; the width of farthing's SwiGLU is chosen
so that both have the same number of parameters. Each has AdamW as its project builds it (nanoGPT:
`configure_optimizers`; farthing: torch's fused one), no dropout, no biases (nanoGPT's default).
The architectures differ, so losses are not compared. nanoGPT on a CPU trains in fp32 (its train.py
has no autocast there): its bf16 rows are ours.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from typing import Any

import nanogpt
import numpy as np
import torch
from farthing_side import FarthingSide
from measure import Figure, Outcome, arguments, pin
from sides import (
    LEARNING_RATE,
    ROW_NOTES,
    Step,
    TrainingSide,
    Worker,
    interleave,
    phase_milliseconds,
    typical_seconds,
    zipf_tokens,
)
from torch import Tensor

from farthing.model.config import ModelConfig

# Characters of tiny Shakespeare.
VOCAB = 65
BATCHES = 4
WANTED = 1.2
MOST_PARAMETERS_APART = 0.02
WEIGHT_DECAY, BETAS = 0.1, (0.9, 0.99)
THEIRS, OURS = "nanoGPT", "farthing"


@dataclass(frozen=True)
class Case:
    """One shape.

    Attributes:
        rounds: timed steps of each row and seed; a multiple of four, as Muon takes turns.
    """

    name: str
    layers: int
    width: int
    heads: int
    context: int
    rows: int
    rounds: int

    @property
    def tokens(self) -> int:
        """Of one step."""
        return self.rows * self.context

    def sizes(self, ffn_dim: int) -> ModelConfig:
        """The model on our side."""
        return ModelConfig(
            num_layers=self.layers,
            hidden_dim=self.width,
            num_heads=self.heads,
            num_kv_heads=self.heads,
            head_dim=self.width // self.heads,
            dense_ffn_dim=ffn_dim,
            context=self.context,
            tie_embeddings=True,
        )


CASES = (
    Case("CPU reference", layers=4, width=128, heads=4, context=64, rows=12, rounds=60),
    Case("GPU reference", layers=6, width=384, heads=6, context=256, rows=16, rounds=4),
)
# Rows of the tables: name, side, settings.
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    f"{THEIRS}, fp32": (THEIRS, {}),
    f"{THEIRS}, fp32, memory kept": (THEIRS, {"memory_kept": True}),
    f"{OURS}, fp32": (OURS, {}),
    f"{OURS}, fp32, memory given back": (OURS, {"memory_kept": False}),
    f"{OURS}, fp32, own optimizers": (OURS, {"optimizer": "own"}),
    f"{THEIRS}, bf16 autocast": (THEIRS, {"precision": "bf16"}),
    f"{OURS}, bf16 autocast": (OURS, {"precision": "bf16"}),
    f"{OURS}, bf16 autocast, own optimizers": (OURS, {"precision": "bf16", "optimizer": "own"}),
}


class NanoGptSide(TrainingSide):
    """`GPT` of nanoGPT's model.py with the optimizer that it configures."""

    def __init__(self, folder: str, precision: str = "fp32", *, memory_kept: bool = False) -> None:
        super().__init__(precision, memory_kept=memory_kept)
        self._module = nanogpt.load_model_module(folder)

    def make(self, case: Case, seed: int) -> None:
        """Draw weights as it does."""
        torch.manual_seed(seed)
        sizes = self._module.GPTConfig(
            block_size=case.context,
            vocab_size=VOCAB,
            n_layer=case.layers,
            n_head=case.heads,
            n_embd=case.width,
            dropout=0.0,
            bias=False,
        )
        # Both print about themselves.
        with contextlib.redirect_stdout(io.StringIO()):
            self.model = self._module.GPT(sizes).train()
            self._adamw = self.model.configure_optimizers(WEIGHT_DECAY, LEARNING_RATE, BETAS, "cpu")

    def loss(self, inputs_BT: Tensor, targets_BT: Tensor) -> Tensor:
        """Its own."""
        return self.model(inputs_BT, targets_BT)[1]

    def update(self) -> None:
        """One step of AdamW."""
        self._adamw.step()
        self._adamw.zero_grad(set_to_none=True)


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__)
    nanogpt.add_option(parser)
    asked = parser.parse_args()
    checkout = str(nanogpt.checked(asked.nanogpt))
    pin(asked.cpu)
    outcome = Outcome("step_dense", "Dense training step against nanoGPT", asked.seeds, [])
    outcome.versions["nanoGPT"] = nanogpt.COMMIT[:8]
    outcome.setting = [
        f"vocabulary {VOCAB}, tokens by Zipf's law, no dropout, no biases, tied embeddings; "
        "forward, loss, backward, clipping, AdamW",
        "one pinned thread, CPU-seconds, median of the steps taken in turn (of the optimizer: "
        "mean)",
    ]
    for case in CASES:
        measure(case, checkout, outcome, asked.seeds)
    outcome.notes = [
        *ROW_NOTES,
        "nanoGPT's train.py has no autocast on a CPU: its bf16 row is ours.",
    ]
    outcome.close(asked.json)


def measure(case: Case, checkout: str, outcome: Outcome, seeds: list[int]) -> None:
    """All rows of one shape."""
    workers = {
        name: Worker(NanoGptSide, folder=checkout, **settings)
        if side == THEIRS
        else Worker(FarthingSide, **settings)
        for name, (side, settings) in ROWS.items()
    }
    steps: dict[str, list[list[Step]]] = {name: [] for name in ROWS}
    parameters: dict[str, int] = {}
    for seed in seeds:
        batches = zipf_tokens(seed, VOCAB, (BATCHES, case.rows, case.context + 1), first=1)
        for name, worker in workers.items():
            if ROWS[name][0] == THEIRS:
                worker.ask("make", case, seed)
            else:
                ffn_dim = matching_ffn_dim(case, parameters[THEIRS])
                worker.ask("make", case.sizes(ffn_dim), VOCAB, seed)
            worker.ask("take", batches)
            worker.ask("first_step")
            parameters[ROWS[name][0]] = worker.ask("parameters")
        for name, found in interleave(workers, case.rounds).items():
            steps[name].append(found)
        print(f"{case.name}, seed {seed}: done", flush=True)
    for worker in workers.values():
        worker.close()
    apart = abs(parameters[OURS] / parameters[THEIRS] - 1)
    assert apart <= MOST_PARAMETERS_APART, parameters
    report(case, outcome, steps, parameters)


def matching_ffn_dim(case: Case, parameters: int) -> int:
    """The width of SwiGLU, a multiple of 8, that comes closest to this many parameters."""
    # Embeddings (tied), four square matrices a layer, norms: what does not depend on the width.
    fixed = VOCAB * case.width + case.layers * (4 * case.width**2 + 2 * case.width) + case.width
    per_unit = case.layers * 3 * case.width
    return max(8, 8 * int(np.rint((parameters - fixed) / per_unit / 8)))


def report(
    case: Case, outcome: Outcome, steps: dict[str, list[list[Step]]], parameters: dict[str, int]
) -> None:
    """One table, one target."""
    speed = {
        name: Figure.of(case.tokens / typical_seconds(of_seed) for of_seed in found)
        for name, found in steps.items()
    }
    table = []
    for name, (_, settings) in ROWS.items():
        bf16 = settings.get("precision") == "bf16"
        rival = speed[f"{THEIRS}, bf16 autocast" if bf16 else f"{THEIRS}, fp32"]
        compared = "1" if speed[name] is rival else speed[name].over(rival)
        table.append([name, speed[name], compared, *phase_milliseconds(steps[name])])
    outcome.table(
        f"{case.name}: {case.layers} layers, {case.width} wide, {case.heads} heads, context "
        f"{case.context}, batch {case.rows}; {parameters[THEIRS]:,} and {parameters[OURS]:,} "
        f"parameters; {case.rounds} steps",
        ["side", "tokens/CPU-s", "ratio", "forward ms", "backward ms", "clip ms", "optimizer ms"],
        table,
    )
    for precision in ("fp32", "bf16 autocast"):
        outcome.target(
            f"dense step, {precision} on both sides, {case.name}: tokens per CPU-second over "
            "nanoGPT's",
            ">=",
            WANTED,
            speed[f"{OURS}, {precision}"].over(speed[f"{THEIRS}, {precision}"]),
        )


if __name__ == "__main__":
    main()
