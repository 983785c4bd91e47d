"""Peak memory of real training steps beside what `training_memory` predicts for them.

    python bench/cost/memory.py --results build/cost

Each case is a fresh process: its resident memory when torch and the kernels are warm is what the
model is not charged with, its high-water mark after some steps is measured from there. Twice: with
freed memory given back at once, which leaves the tensors (`MemoryBytes.peak`), and with freed
memory kept, as training has it (`MemoryBytes.resident`). On an accelerator the allocator's own
high-water mark is read instead; prediction and measurement are then of the kernels there, so what
layers keep is measured first (`recompute.measure`).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from farthing.cost.memory import MemoryBytes, training_memory
from farthing.model.config import ModelConfig
from farthing.model.initialize import initialize
from farthing.model.kernels.memory import keep_freed_memory
from farthing.model.transformer import Transformer
from farthing.stages.train.config import OptimizerConfig
from farthing.stages.train.optimizer import ModelOptimizer
from farthing.stages.train.recompute import measure

NAME = "memory.json"
# Output matrices begin at zero: only in the third step has every matrix a gradient that is not.
SEED, STEPS = 0, 4

_WIDE: dict[str, Any] = {
    "num_layers": 6,
    "hidden_dim": 512,
    "num_heads": 8,
    "num_kv_heads": 4,
    "head_dim": 64,
    "dense_ffn_dim": 1536,
    "context": 64,
}
_LONG: dict[str, Any] = {
    "num_layers": 12,
    "hidden_dim": 64,
    "num_heads": 4,
    "num_kv_heads": 2,
    "head_dim": 16,
    "dense_ffn_dim": 192,
    "context": 512,
}
_EXPERTS = {"num_experts": 8, "expert_dim": 384, "top_k": 2, "num_dense_layers": 1}
_GPT: dict[str, Any] = {
    "tie_embeddings": True,
    "positions": "learned",
    "norm": "layer",
    "qk_norm": False,
    "activation": "gelu",
    "num_kv_heads": 4,
}
_SMALL = {"num_layers": 2, "hidden_dim": 32, "dense_ffn_dim": 32, "expert_dim": 32, "context": 8}
# Sizes, vocabulary, sequences of a step, optimizer of the hidden matrices.
CASES: dict[str, tuple[dict[str, Any], int, int, str]] = {
    "few tokens, dense, AdamW": (_WIDE, 16_000, 2, "adamw"),
    "few tokens, experts, Muon": (_WIDE | _EXPERTS | {"num_layers": 4}, 8_000, 2, "muon"),
    "many tokens, dense, Muon": (_LONG, 2_000, 16, "muon"),
    "more layers, dense, AdamW": (_WIDE | {"num_layers": 16}, 16_000, 2, "adamw"),
    "GPT-2 style, tied, AdamW": (_LONG | _GPT, 8_000, 8, "adamw"),
}
# Blocks from this size on are then the kernel's own, and given back when they are freed.
_GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536"}


def main() -> None:
    """Measure every case in processes of their own, or one of them in this one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("build") / "cost")
    parser.add_argument("--case", choices=list(CASES), help="measure it here and print the figures")
    parser.add_argument("--kept", action="store_true", help="with --case: keep freed memory")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(run(arguments.case, arguments.device, kept=arguments.kept)))
        return
    rows = []
    for case in CASES:
        for kept in (False, True) if arguments.device == "cpu" else (False,):
            command = [sys.executable, __file__, "--case", case, "--device", arguments.device]
            command += ["--kept"] if kept else []
            environment = os.environ | ({} if kept else _GIVEN_BACK)
            done = subprocess.run(
                command, capture_output=True, text=True, check=True, env=environment
            )
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(rows[-1], flush=True)
    arguments.results.mkdir(parents=True, exist_ok=True)
    (arguments.results / NAME).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def run(case: str, device: str, *, kept: bool) -> dict[str, Any]:
    """One case: bytes measured and predicted, and the phase that takes most."""
    sizes, vocabulary, sequences, optimizer = CASES[case]
    config = ModelConfig(**sizes)
    if kept:
        keep_freed_memory()
    # What a process frees it keeps, for the model to use: the one that warms up must be small.
    _steps(config.model_copy(update=_SMALL), 64, 1, optimizer, device)
    before = _resident("VmRSS") if device == "cpu" else 0
    turns, memory = _steps(config, vocabulary, sequences, optimizer, device)
    peak = _resident("VmHWM") if device == "cpu" else int(torch.accelerator.max_memory_allocated())
    measured, predicted = peak - before, memory.resident if kept else memory.peak
    return {
        "case": case,
        "device": device,
        "freed_memory": "kept" if kept else "given back",
        "turns": turns,
        "measured_bytes": measured,
        "predicted_bytes": predicted,
        "phase": memory.phase,
        "error": predicted / measured - 1,
    }


def _steps(
    config: ModelConfig, vocabulary: int, sequences: int, kind: str, device: str
) -> tuple[int, MemoryBytes]:
    """Train some steps; how often a matrix has its turn, and what was predicted."""
    torch.manual_seed(SEED)
    model = Transformer(config, vocabulary, end_of_text=0).train()
    initialize(model, seed=SEED)
    model.to(device)
    settings = OptimizerConfig(
        matrix_optimizer="muon" if kind == "muon" else "adamw",
        matrix_learning_rate=None if kind == "muon" else 1e-3,
    )
    optimizer = ModelOptimizer(model, settings, step_tokens=sequences * config.context)
    tokens_BW = torch.randint(1, vocabulary, (sequences, config.context + 1), device=device)
    turns, held = optimizer.muon.every, None

    def loss(count: int) -> torch.Tensor:
        return model.mean_nats(tokens_BW[:count, :-1], tokens_BW[:count, 1:])

    if device != "cpu":
        held = measure(model.layers, loss)
    for step in range(STEPS):
        loss(sequences).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step(1.0, step)
    return turns, training_memory(
        config,
        vocabulary,
        micro_sequences=sequences,
        matrix_optimizer=settings.matrix_optimizer,
        turns=turns,
        held=held,
    )


def _resident(field: str) -> int:
    """Bytes of this process, as the kernel counts them.

    Raises:
        RuntimeError: it does not say, outside of Linux.
    """
    status = Path("/proc/self/status")
    for line in status.read_text(encoding="utf-8").splitlines() if status.exists() else ():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise RuntimeError(f"{status} has no {field}: resident memory can be read on Linux only")


if __name__ == "__main__":
    main()
