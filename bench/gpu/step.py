"""How much of an accelerator does farthing's training step use? MFU, FP8, and equal losses.

    python bench/gpu/step.py [dense] [sparse] [fp8] [--peak-tflops 989.4]

dense     about 350 M parameters, bf16
sparse    about 1 B parameters of which 200 M are active, bf16, the router's own choices
fp8       both again with FP8 products against bf16, over --fp8-steps steps from the same weights

MFU is the model's FLOPs (forward and backward, attention within documents, nothing recomputed)
over wall time and the named peak. Beside it stands the best square matrix product that this
device does, and the share with the optimizer's FLOPs counted too. The step is farthing's own, with
data, clipping, optimizer and balancing. Losses are compared with the plain path: fp32, torch's own
operators, nothing compiled.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import replace

import torch
from subject import (
    VOCAB,
    Subject,
    Timing,
    accelerator,
    device_name,
    measured_peaks,
    peak_flops,
    train,
)

from farthing.cost.parameters import count_parameters
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape

DENSE = ModelConfig(
    num_layers=24,
    hidden_dim=1024,
    num_heads=8,
    num_kv_heads=8,
    head_dim=128,
    dense_ffn_dim=2816,
    num_experts=0,
    context=2048,
    tie_embeddings=True,
)
SPARSE = ModelConfig(
    num_layers=16,
    num_dense_layers=1,
    hidden_dim=1024,
    num_heads=8,
    num_kv_heads=8,
    head_dim=128,
    dense_ffn_dim=4096,
    num_experts=64,
    expert_dim=320,
    num_shared_experts=1,
    top_k=6,
    context=2048,
    tie_embeddings=True,
)
SUBJECTS = {
    "dense": Subject("dense bf16", DENSE, sequences=64, micro=16),
    "sparse": Subject("sparse bf16", SPARSE, sequences=64, micro=16),
}
EQUAL_STEPS = 5
# bf16 keeps 8 bits: the plain path's loss in nats, to about two digits behind the point.
EQUAL_NATS = 0.02
# Of the last steps' mean: seeds differ by more.
FP8_SHARE = 0.01


def main() -> None:
    """Print one block per case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=["dense", "sparse", "fp8"])
    parser.add_argument("--peak-tflops", type=float, help="to divide by, for an unknown device")
    parser.add_argument("--warmup", type=int, default=10)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--fp8-steps", type=int, default=300)
    parser.add_argument("--mode", choices=["blocks", "graphs", "off"], default="blocks")
    parser.add_argument("--micro", type=int, help="sequences of one forward pass")
    options = parser.parse_args()
    device = accelerator()
    measured = measured_peaks(device)
    print(
        f"{device_name(device)}, torch {torch.__version__}; best square products in TFLOP/s: "
        f"{_tera(measured)}"
    )
    peak, source = peak_flops(device, "bf16", options.peak_tflops)
    print(f"MFU divides by {peak / 1e12:.1f} TFLOP/s: {source}")
    changes = {"mode": options.mode}
    if options.micro:
        changes["micro"] = options.micro
    for case in options.cases:
        if case == "fp8":
            for subject in SUBJECTS.values():
                compare_fp8(replace(subject, **changes), device, options)
            continue
        subject = replace(SUBJECTS[case], **changes)
        timing = train(subject, device, warmup=options.warmup, steps=options.steps)
        report(subject, timing, peak, measured["bf16"])
        compare_with_plain(subject, timing, device)


def report(subject: Subject, timing: Timing, peak: float, measured: float) -> None:
    """Speed and shares of the peak."""
    count = count_parameters(subject.sizes, VOCAB, Shape.full(subject.sizes))
    rate = timing.flops / timing.seconds
    both = (timing.flops + timing.optimizer_flops) / timing.seconds
    print(
        f"\n{subject.name}: {count.total / 1e6:.0f} M parameters, {count.active / 1e6:.0f} M "
        f"active; {timing.tokens} tokens a step in micro-batches of {subject.micro} sequences\n"
        f"  {timing.tokens / timing.seconds:,.0f} tokens/s, {timing.seconds * 1e3:.1f} ms a step\n"
        f"  MFU {rate / peak:.1%} of the peak named above, {rate / measured:.1%} of the measured "
        f"product; with the optimizer's FLOPs {both / peak:.1%}\n"
        f"  {timing.graphs} compiled graphs, busiest expert {_ratio(timing.load_ratio)}"
    )


def compare_with_plain(subject: Subject, timing: Timing, device: torch.device) -> None:
    """The first losses against the plain path's."""
    plain = train(subject.as_plain(), device, warmup=0, steps=EQUAL_STEPS)
    pairs = list(zip(timing.losses, plain.losses, strict=False))
    gap = max(abs(fast - slow) for fast, slow in pairs)
    verdict = "equal" if gap <= EQUAL_NATS else "NOT EQUAL"
    print(f"  losses of {len(pairs)} steps against the plain path: {verdict}, {gap:.4f} nats apart")


def compare_fp8(subject: Subject, device: torch.device, options: argparse.Namespace) -> None:
    """Speed and last losses of FP8 against bf16."""
    steps = options.fp8_steps
    plain = train(subject, device, warmup=options.warmup, steps=steps)
    eight = train(replace(subject, fp8=True), device, warmup=options.warmup, steps=steps)
    print(f"\n{subject.name.split()[0]}, FP8 against bf16 over {steps} steps")
    for name, reason in eight.refusals.items():
        print(f"  {name} stays in bf16: {reason}")
    window = max(steps // 6, 1)
    last = [statistics.mean(timing.losses[-window:]) for timing in (plain, eight)]
    apart = last[1] / last[0] - 1
    verdict = "equal" if abs(apart) <= FP8_SHARE else "NOT EQUAL"
    print(
        f"  {plain.seconds / eight.seconds:.2f} x as fast; loss of the last {window} steps "
        f"{last[0]:.4f} in bf16, {last[1]:.4f} in FP8: {verdict} ({apart:+.2%})"
    )


def _tera(rates: dict[str, float]) -> str:
    return ", ".join(f"{dtype} {rate / 1e12:.0f}" for dtype, rate in rates.items())


def _ratio(load_ratio: float | None) -> str:
    return "(none)" if load_ratio is None else f"{load_ratio:.2f} x the mean load"


if __name__ == "__main__":
    main()
