"""How fast is the quick start's training step, and how far from this machine's matmul speed?

    python bench/training_step.py

Steps of the `quickstart` recipe on random tokens, elastic and not, against a square fp32 matrix
product on the same threads; charged in CPU-seconds. The bound is the machine's own: a share of
its measured peak, optimizer FLOPs shown apart.
"""

from __future__ import annotations

import time

import torch

from farthing.cost.flops import training_flops
from farthing.flow import RunConfig
from farthing.model.initialize import initialize
from farthing.model.transformer import Transformer
from farthing.recipes.loader import load_recipe
from farthing.stages.train.elastic_schedule import ElasticSchedule
from farthing.stages.train.optimizer import ModelOptimizer

SEED = 0
STEPS = 12
MATMUL_SIZE = 1024
END_OF_TEXT = 0


def main() -> None:
    """Print tokens per CPU-second and shares of the measured peak."""
    run = load_recipe("quickstart", [], RunConfig)
    peak = matmul_flops_per_cpu_second()
    threads = torch.get_num_threads()
    print(f"torch {torch.__version__}, {threads} threads, seed {SEED}, {STEPS} steps")
    print(f"fp32 matrix product of {MATMUL_SIZE}: {peak / 1e9:.0f} GFLOP per CPU-second")
    for name, elastic in (("elastic", True), ("full shape", False)):
        tokens, flops, optimizer_flops, seconds = steps(run, elastic=elastic)
        print(
            f"{name:<11} {tokens / seconds:8.0f} tokens per CPU-second, model "
            f"{flops / seconds / 1e9:5.1f} GFLOP/s = {flops / seconds / peak:.0%} of peak; "
            f"with optimizer {(flops + optimizer_flops) / seconds / peak:.0%}"
        )


def matmul_flops_per_cpu_second() -> float:
    """The best of several square products."""
    left, right = torch.rand(2, MATMUL_SIZE, MATMUL_SIZE)
    best = float("inf")
    for _ in range(20):
        began = time.process_time()
        left @ right
        best = min(best, time.process_time() - began)
    return 2 * MATMUL_SIZE**3 / best


def steps(run: RunConfig, *, elastic: bool) -> tuple[int, int, int, float]:
    """Tokens, model FLOPs, optimizer FLOPs and CPU-seconds of some steps, the first left out."""
    vocab = run.corpus.vocab_size
    model = Transformer(run.model, vocab, END_OF_TEXT).train()
    initialize(model, SEED)
    optimizer = ModelOptimizer(model, run.train.optimizer)
    schedule = ElasticSchedule(run.train.elastic if elastic else None, run.model, SEED)
    rows, context = run.train.batch_sequences, run.model.context
    generator = torch.Generator().manual_seed(SEED)
    flops = optimizer_flops = 0
    began = 0.0
    for step in range(STEPS + 1):
        if step == 1:
            flops = optimizer_flops = 0
            began = time.process_time()
        shape = schedule.draw(step)
        tokens = torch.randint(1, vocab, (rows, context + 1), generator=generator)
        model.mean_nats(tokens[:, :-1], tokens[:, 1:], shape).backward()
        optimizer.step(1.0, step)
        for block in model.sparse_blocks():
            block.router.end_step(run.train.balance_rate)
        pairs = rows * context * (context + 1) // 2
        flops += training_flops(
            run.model, vocab, shape, tokens=rows * context, attended_pairs=pairs
        )
        optimizer_flops += optimizer.muon.flops
    return STEPS * rows * context, flops, optimizer_flops, time.process_time() - began


if __name__ == "__main__":
    main()
