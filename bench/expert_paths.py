"""Which way of computing routed experts is faster here: grouped_mm or the loop?

    python bench/expert_paths.py

Forward and backward of one expert block with real (random, uneven) routing, both paths in turn
in one process, so that noise hits both; charged in CPU-seconds.
"""

from __future__ import annotations

import time

import torch

from farthing.model.experts import ExpertPath, Experts

SEED = 0
REPEATS = 7
# experts, hidden width, expert width, top-k, tokens
CASES = [
    (16, 128, 64, 4, 4096),
    (16, 192, 96, 4, 4096),
    (16, 256, 128, 4, 4096),
    (8, 256, 256, 2, 8192),
    (64, 256, 64, 8, 4096),
]


def main() -> None:
    """Print one row per case and path: CPU milliseconds of the median repeat, GFLOP/s."""
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, seed {SEED}")
    print(f"{'E':>4} {'D':>5} {'F':>5} {'K':>3} {'N':>6}  {'loop ms':>9} {'grouped ms':>11}  ratio")
    for case in CASES:
        cpu_ms = measure(*case)
        ratio = cpu_ms["grouped"] / cpu_ms["loop"]
        sizes = "{:>4} {:>5} {:>5} {:>3} {:>6}".format(*case)
        print(f"{sizes}  {cpu_ms['loop']:9.1f} {cpu_ms['grouped']:11.1f}  {ratio:.2f}")


def measure(experts: int, hidden: int, inner: int, top_k: int, tokens: int) -> dict[str, float]:
    """Median CPU milliseconds of forward and backward, per path."""
    torch.manual_seed(SEED)
    block = Experts(experts, hidden, inner)
    for weight in block.parameters():
        torch.nn.init.normal_(weight, std=hidden**-0.5)
    x_ND = torch.randn(tokens, hidden, requires_grad=True)
    # Squared uniform draws: popular and unpopular experts, as real routing has them.
    scores_NE = torch.rand(tokens, experts) * torch.rand(experts).square()
    weights_NK, ids_NK = scores_NE.topk(top_k)
    paths: tuple[ExpertPath, ExpertPath] = ("loop", "grouped")
    times: dict[str, list[float]] = {path: [] for path in paths}
    for _ in range(REPEATS):
        for path in paths:
            block.path = path
            began = time.process_time()
            block(x_ND, ids_NK, weights_NK).square().sum().backward()
            times[path].append(1e3 * (time.process_time() - began))
    return {path: sorted(values)[len(values) // 2] for path, values in times.items()}


if __name__ == "__main__":
    main()
