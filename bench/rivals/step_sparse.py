"""One sparse training step: farthing's model against transformers' `glm4_moe`, same weights.

    python bench/rivals/step_sparse.py [--json FILE]

farthing draws the weights and writes them in the Hugging Face layout; both sides load that file,
get the same tokens and take the same steps: forward, loss, backward, clipping, torch's fused
AdamW. transformers computes its experts with `torch.nn.functional.grouped_mm`, which is what it
chooses by itself (`PreTrainedModel.get_correct_experts_implementation`); calls are counted.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from farthing_side import FarthingSide
from measure import Figure, Outcome, arguments, pin, skip
from safetensors.torch import save_file
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
from farthing.model.huggingface import write_config, write_tensors_of
from farthing.model.initialize import initialize
from farthing.model.transformer import Transformer

SIZES = ModelConfig(
    num_layers=4,
    num_dense_layers=1,
    hidden_dim=256,
    num_heads=8,
    num_kv_heads=2,
    head_dim=32,
    dense_ffn_dim=1024,
    num_experts=32,
    expert_dim=128,
    num_shared_experts=1,
    top_k=4,
    context=256,
)
VOCAB = 4096
ROWS = 16
BATCHES = 4
# A multiple of four: Muon lets matrices take turns, over four steps at the most.
ROUNDS = 8
# Spread of the balancing biases: experts are then loaded as unevenly as in a young run.
BIAS_SPREAD = 0.01
MOST_LOSS_DIFFERENCE = 1e-4
WANTED = 1.5

THEIRS, OURS = "transformers", "farthing"
NOTES = [
    *ROW_NOTES,
    "transformers under autocast keeps its expert products in fp32: its grouped_mm casts rows "
    "to the weights' dtype. They are bf16 with weights in bf16: no fp32 copy to optimize then.",
]
# Rows of the table: name, side, settings.
ROWS_ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    f"{THEIRS}, fp32": (THEIRS, {}),
    f"{THEIRS}, fp32, memory kept": (THEIRS, {"memory_kept": True}),
    f"{OURS}, fp32": (OURS, {}),
    f"{OURS}, fp32, memory given back": (OURS, {"memory_kept": False}),
    f"{OURS}, fp32, own optimizers": (OURS, {"optimizer": "own"}),
    f"{THEIRS}, bf16 autocast": (THEIRS, {"precision": "bf16"}),
    f"{THEIRS}, bf16 weights": (THEIRS, {"precision": "bf16 weights"}),
    f"{OURS}, bf16 autocast": (OURS, {"precision": "bf16"}),
    f"{OURS}, bf16 autocast, own optimizers": (OURS, {"precision": "bf16", "optimizer": "own"}),
}


class TransformersSide(TrainingSide):
    """`Glm4MoeForCausalLM` as `from_pretrained` gives it."""

    def __init__(
        self, precision: str = "fp32", *, compiled: bool = False, memory_kept: bool = False
    ) -> None:
        super().__init__(precision, memory_kept=memory_kept)
        self._compiled = compiled
        self._calls = 0

    def load(self, folder: str) -> None:
        """Take the weights from a folder in the Hugging Face layout."""
        from transformers import AutoModelForCausalLM
        from transformers.utils.logging import disable_progress_bar

        disable_progress_bar()
        dtype = torch.bfloat16 if self.precision == "bf16 weights" else torch.float32
        model, info = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, experts_implementation="grouped_mm", output_loading_info=True
        )
        problems = {what: found for what, found in info.items() if found}
        assert not problems, problems
        self.model = model.train()
        self._forward = torch.compile(model) if self._compiled else model
        self._adamw = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, fused=True)
        self._count_grouped_mm()

    def loss(self, inputs_BT: Tensor, targets_BT: Tensor) -> Tensor:
        """Its own loss function."""
        out = self._forward(
            input_ids=inputs_BT, labels=targets_BT, shift_labels=targets_BT, use_cache=False
        )
        return out.loss

    def update(self) -> None:
        """One step of AdamW."""
        self._adamw.step()
        self.model.zero_grad(set_to_none=True)

    def grouped_calls(self) -> int:
        """How often `grouped_mm` was called, forward, so far."""
        return self._calls

    def _count_grouped_mm(self) -> None:
        real = torch.nn.functional.grouped_mm

        def counted(*given: object, **named: object) -> Tensor:
            self._calls += 1
            return real(*given, **named)

        # Only until the first step is over: `first_step` puts the real one back.
        torch.nn.functional.grouped_mm = counted
        self._real = real

    def first_step(self) -> tuple[Step, float]:
        """As for every side; ends the counting."""
        found = super().first_step()
        torch.nn.functional.grouped_mm = self._real
        return found


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--compiled", action="store_true", help="also transformers compiled")
    asked = parser.parse_args()
    pin(asked.cpu)
    try:
        import transformers  # noqa: F401
    except ImportError:
        skip("transformers is not installed", "pip install -r bench/rivals/requirements.txt")
    rows = dict(ROWS_ASKED)
    if asked.compiled:
        rows[f"{THEIRS}, fp32, compiled"] = (THEIRS, {"compiled": True})
    outcome = Outcome("step_sparse", "Sparse training step against transformers", asked.seeds, [])
    found = measure(rows, asked.seeds, asked.rounds)
    outcome.setting = [
        f"{SIZES.num_layers} layers, the first dense ({SIZES.dense_ffn_dim} wide); width "
        f"{SIZES.hidden_dim}, {SIZES.num_experts} experts of {SIZES.expert_dim} and a shared one, "
        f"top-{SIZES.top_k}; {SIZES.num_heads} query and {SIZES.num_kv_heads} key heads; "
        f"vocabulary {VOCAB}; {found.parameters:,} parameters",
        f"{ROWS} x {SIZES.context} = {ROWS * SIZES.context:,} tokens a step, drawn by Zipf's law; "
        f"busiest expert {found.busiest:.1f} times the mean",
        "forward, loss, backward, clipping and torch's fused AdamW; one pinned thread, CPU-seconds,"
        f" median of {asked.rounds} steps taken in turn (of the optimizer: mean)",
    ]
    outcome.notes = NOTES
    report(outcome, rows, found)
    outcome.close(asked.json)


@dataclass
class Found:
    """What the rows did, by row.

    Attributes:
        steps: of each seed, timed.
        firsts: the untimed first step of each seed.
        compiling: CPU-seconds of the very first step, compilers included.
        parameters: of either side.
        busiest: load of the busiest expert over the mean, in the worst layer.
    """

    steps: dict[str, list[list[Step]]]
    firsts: dict[str, list[Step]]
    compiling: dict[str, float]
    parameters: int = 0
    busiest: float = 0.0


def measure(rows: dict[str, tuple[str, dict[str, Any]]], seeds: list[int], rounds: int) -> Found:
    """Every row, step by step in turn, with new weights and tokens for each seed."""
    sides = {THEIRS: TransformersSide, OURS: FarthingSide}
    workers = {name: Worker(sides[side], **settings) for name, (side, settings) in rows.items()}
    found = Found({name: [] for name in rows}, {name: [] for name in rows}, {})
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            found.parameters = write_weights(Path(folder), seed)
            batches = zipf_tokens(seed, VOCAB, (BATCHES, ROWS, SIZES.context + 1))
            for name, worker in workers.items():
                worker.ask("load", folder)
                worker.ask("take", batches)
                first, seconds = worker.ask("first_step")
                found.firsts[name].append(first)
                found.compiling.setdefault(name, seconds)
        busiest = workers[f"{OURS}, fp32"].ask("busiest_expert")
        found.busiest = max(found.busiest, busiest)
        for name, taken in interleave(workers, rounds).items():
            found.steps[name].append(taken)
        print(f"seed {seed}: done", flush=True)
    calls = workers[f"{THEIRS}, fp32"].ask("grouped_calls")
    wanted = 2 * (SIZES.num_layers - SIZES.first_sparse_layer) * len(seeds)
    assert calls == wanted, f"grouped_mm was called {calls} times and not {wanted}"
    for worker in workers.values():
        worker.close()
    return found


def write_weights(folder: Path, seed: int) -> int:
    """Write weights in the Hugging Face layout; how many there are."""
    model = Transformer(SIZES, VOCAB, end_of_text=0)
    initialize(model, seed)
    random = torch.Generator().manual_seed(seed)
    for block in model.sparse_blocks():
        bias_E = block.router.balance_bias
        bias_E.copy_(BIAS_SPREAD * torch.randn(bias_E.shape, generator=random))
    config = write_config(model, pad_token=1)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tensors = {name: t.detach().clone().contiguous() for name, t in write_tensors_of(model).items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return sum(weight.numel() for weight in model.parameters())


def report(outcome: Outcome, rows: dict[str, tuple[str, dict[str, Any]]], found: Found) -> None:
    """The tables, the target, and the equality that it depends on."""
    tokens = ROWS * SIZES.context
    speed = {
        name: Figure.of(tokens / typical_seconds(of_seed) for of_seed in of_seeds)
        for name, of_seeds in found.steps.items()
    }
    halves = (f"{THEIRS}, bf16 autocast", f"{THEIRS}, bf16 weights")
    fastest = max((speed[name] for name in halves), key=lambda figure: figure.mean)
    base = {"fp32": speed[f"{THEIRS}, fp32"], "bf16": fastest}
    table = []
    for name, (_, settings) in rows.items():
        rival = base["bf16" if settings.get("precision", "fp32") != "fp32" else "fp32"]
        compared = "1" if speed[name] is rival else speed[name].over(rival)
        table.append(
            [
                name,
                speed[name],
                compared,
                *phase_milliseconds(found.steps[name]),
                f"{found.compiling[name]:.1f}",
            ]
        )
    outcome.table(
        "Tokens per CPU-second; the ratio is to transformers' row of 1 at the same precision",
        ["side", "tokens/CPU-s", "ratio", "forward ms", "backward ms", "clip ms", "optimizer ms",
         "first step CPU-s"],
        table,
    )  # fmt: skip
    theirs, ours = found.firsts[f"{THEIRS}, fp32"], found.firsts[f"{OURS}, fp32"]
    apart = max(abs(a.loss - b.loss) for a, b in zip(theirs, ours, strict=True))
    norms = max(abs(a.grad_norm / b.grad_norm - 1) for a, b in zip(theirs, ours, strict=True))
    later = max(
        abs(a.loss - b.loss)
        for these, those in zip(
            found.steps[f"{THEIRS}, fp32"], found.steps[f"{OURS}, fp32"], strict=True
        )
        for a, b in zip(these, those, strict=True)
    )
    outcome.table(
        "Equality, fp32, worst of the seeds",
        ["what", "difference"],
        [
            ["first loss, nats (absolute)", f"{apart:.1e}"],
            ["norm of the first gradient (relative)", f"{norms:.1e}"],
            ["losses of the timed steps, nats (absolute)", f"{later:.1e}"],
        ],
    )
    outcome.target(
        f"sparse step, fp32, first losses equal to {MOST_LOSS_DIFFERENCE:g}: tokens per CPU-second "
        "over transformers'",
        ">=",
        WANTED,
        speed[f"{OURS}, fp32"].over(base["fp32"]),
        holds=apart <= MOST_LOSS_DIFFERENCE,
    )


if __name__ == "__main__":
    main()
