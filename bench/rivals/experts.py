"""Expert compute, forward and backward, as a share of one dense product of the same work.

    python bench/rivals/experts.py [--json FILE]

N tokens choose K of E experts (SwiGLU, width F) unevenly: popularity by a power law. With
R = N*K rows of width D, the three products forward and twice as much backward are
3 * 2*R*3*D*F FLOPs. The same work as one dense product is (R x D) @ (D x 9F), its output
allocated before; it is what the share refers to. Also shown: a linear layer (R x D) -> 3F forward
and backward through autograd, whose three products are the same FLOPs again.

Expert compute is all from tokens, chosen ids and weights to outputs and back to every gradient:
sorting, gathering, products, activation, weighing, restoring. transformers' path is its
`Glm4MoeExperts` with `grouped_mm`, on the same weights and choices, outputs compared.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from measure import Figure, Outcome, arguments, pin
from sides import Worker, interleave
from torch import Tensor

from farthing.model.experts import Experts

ROUNDS = 9
WANTED = 0.6
MOST_OUTPUT_DIFFERENCE = 1e-4
POPULARITY_EXPONENT = 0.5
PATHS = ("sorted", "grouped", "loop")
DENSE, LINEAR, THEIRS = "one dense product", "linear layer", "transformers, grouped_mm"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Case:
    """One block of experts."""

    num_experts: int
    hidden_dim: int
    expert_dim: int
    top_k: int
    tokens: int

    @property
    def rows(self) -> int:
        """(token, expert) pairs."""
        return self.tokens * self.top_k

    @property
    def flops(self) -> int:
        """Of the products, forward and backward."""
        return 3 * 2 * self.rows * 3 * self.hidden_dim * self.expert_dim

    def __str__(self) -> str:
        return (
            f"{self.num_experts} x {self.expert_dim} at width {self.hidden_dim}, "
            f"top-{self.top_k}, {self.tokens:,} tokens"
        )


TARGET = Case(num_experts=32, hidden_dim=256, expert_dim=128, top_k=4, tokens=4096)
OTHERS = (
    Case(num_experts=16, hidden_dim=128, expert_dim=64, top_k=4, tokens=4096),
    Case(num_experts=16, hidden_dim=192, expert_dim=96, top_k=4, tokens=4096),
    Case(num_experts=8, hidden_dim=256, expert_dim=256, top_k=2, tokens=8192),
    Case(num_experts=64, hidden_dim=256, expert_dim=64, top_k=8, tokens=4096),
)


class ProductSide:
    """One way of doing the work of a case."""

    def __init__(self, way: str, precision: str) -> None:
        torch.set_num_threads(1)
        self._way, self._precision = way, precision
        self._dtype = DTYPES[precision]

    def draw(self, case: Case, seed: int) -> None:
        """Weights, tokens, choices: the same for every way of a case and seed."""
        self._case = case
        source = torch.Generator().manual_seed(seed)
        sizes = (case.num_experts, case.expert_dim, case.hidden_dim)
        std = case.hidden_dim**-0.5
        self._gate, self._up, self._down = (
            std * torch.randn(sizes if i < 2 else (sizes[0], sizes[2], sizes[1]), generator=source)
            for i in range(3)
        )
        self._tokens = torch.randn(case.tokens, case.hidden_dim, generator=source)
        self._out_grad = torch.randn(case.tokens, case.hidden_dim, generator=source)
        rank = 1.0 + torch.randperm(case.num_experts, generator=source)
        # Gumbel noise on log-popularity: K draws without replacement, in proportion to it.
        noise = torch.rand(case.tokens, case.num_experts, generator=source)
        scores = -POPULARITY_EXPONENT * rank.log() - (-noise.log()).log()
        weights_NK, self._ids = scores.topk(case.top_k)
        self._weights = weights_NK.softmax(dim=-1)
        self._build()

    def busiest(self) -> float:
        """Rows of the busiest expert over the mean."""
        counts = self._ids.flatten().bincount(minlength=self._case.num_experts)
        return float(counts.max() / counts.float().mean())

    def usable(self) -> bool:
        """Whether this way takes this case here."""
        try:
            self.step()
        except (ValueError, RuntimeError):
            return False
        return True

    def output(self) -> np.ndarray:
        """What the experts give, for comparison."""
        with torch.no_grad():
            return self._compute().float().numpy()

    def step(self) -> float:
        """CPU-seconds of one forward and backward pass."""
        began = time.process_time()
        if self._way == DENSE:
            torch.mm(self._left, self._right, out=self._product)
        else:
            self._leaf.grad = None
            for weight in self._all_weights:
                weight.grad = None
            self._compute().backward(self._out_grad)
        return time.process_time() - began

    def _build(self) -> None:
        case = self._case
        if self._way == DENSE:
            self._left = torch.randn(case.rows, case.hidden_dim).to(self._dtype)
            self._right = torch.randn(9 * case.expert_dim, case.hidden_dim).to(self._dtype).T
            self._product = torch.empty(case.rows, 9 * case.expert_dim, dtype=self._dtype)
            return
        self._leaf = self._tokens.clone().requires_grad_()
        if self._way == LINEAR:
            self._build_linear()
        elif self._way == THEIRS:
            self._build_theirs()
        else:
            self._block = Experts(case.num_experts, case.hidden_dim, case.expert_dim)
            self._block.path = self._way
            state = {"gate_proj": self._gate, "up_proj": self._up, "down_proj": self._down}
            self._block.load_state_dict(state)
        self._all_weights = list(self._block.parameters())

    def _build_linear(self) -> None:
        case = self._case
        self._block = torch.nn.Linear(case.hidden_dim, 3 * case.expert_dim, bias=False)
        self._block.to(self._dtype)
        self._leaf = torch.randn(case.rows, case.hidden_dim, dtype=self._dtype).requires_grad_()
        self._out_grad = torch.randn(case.rows, 3 * case.expert_dim, dtype=self._dtype)

    def _build_theirs(self) -> None:
        from transformers.models.glm4_moe.configuration_glm4_moe import Glm4MoeConfig
        from transformers.models.glm4_moe.modeling_glm4_moe import Glm4MoeExperts

        case = self._case
        config = Glm4MoeConfig(
            hidden_size=case.hidden_dim,
            moe_intermediate_size=case.expert_dim,
            n_routed_experts=case.num_experts,
            num_experts_per_tok=case.top_k,
            hidden_act="silu",
            experts_implementation="grouped_mm",
        )
        self._block = Glm4MoeExperts(config)
        gate_up = torch.cat((self._gate, self._up), dim=1)
        self._block.load_state_dict({"gate_up_proj": gate_up, "down_proj": self._down})
        # Its grouped_mm computes in the weights' dtype, autocast or not: bf16 weights, then.
        self._block.to(self._dtype)

    def _compute(self) -> Tensor:
        if self._way == LINEAR:
            return F.linear(self._leaf, self._block.weight)
        bf16 = self._precision == "bf16"
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            out: Tensor = self._block(self._leaf, self._ids, self._weights)
        return out.float()


def main() -> None:
    """Measure, print, write."""
    parser = arguments(__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    pin(asked.cpu)
    ways = [DENSE, LINEAR, "auto"]
    try:
        import transformers  # noqa: F401

        ways.append(THEIRS)
    except ImportError:
        print("without transformers' rows: it is not installed (bench/rivals/requirements.txt)")
    outcome = Outcome("experts", "Expert compute against one dense product", asked.seeds, [])
    outcome.setting = [
        f"{TARGET}: {TARGET.flops / 1e9:.2f} GFLOP forward and backward, with sorting, gathering, "
        "weighing, restoring",
        f"the dense product: ({TARGET.rows} x {TARGET.hidden_dim}) @ ({TARGET.hidden_dim} x "
        f"{9 * TARGET.expert_dim}), the same FLOPs; the linear layer: ({TARGET.rows} x "
        f"{TARGET.hidden_dim}) -> {3 * TARGET.expert_dim}, forward and backward",
        f"one pinned thread, CPU-seconds, median of {asked.rounds} passes taken in turn",
    ]
    for precision in DTYPES:
        shares(outcome, precision, ways, asked.seeds, asked.rounds)
    paths(outcome, asked.seeds, asked.rounds)
    outcome.close(asked.json)


def shares(
    outcome: Outcome, precision: str, ways: list[str], seeds: list[int], rounds: int
) -> None:
    """The table of the target's case in one precision, and the target in fp32."""
    workers = {way: Worker(ProductSide, way=way, precision=precision) for way in ways}
    found, busiest, apart = timed(workers, TARGET, seeds, rounds)
    for worker in workers.values():
        worker.close()
    rates = {way: seconds.inverse(TARGET.flops / 1e9) for way, seconds in found.items()}
    table = []
    for way in ways:
        name = "farthing" if way == "auto" else way
        share = "1" if way == DENSE else rates[way].over(rates[DENSE])
        milliseconds = Figure.of(1e3 * value for value in found[way].values)
        table.append([name, milliseconds, rates[way], share])
    outcome.table(
        f"{precision}: {TARGET}, busiest expert {busiest:.1f} times the mean",
        ["what", "ms", "GFLOP/CPU-s", "share of the dense product"],
        table,
    )
    if precision == "fp32":
        outcome.target(
            "expert compute, forward and backward, fp32, as a share of one dense product",
            ">=",
            WANTED,
            rates["auto"].over(rates[DENSE]),
            holds=apart <= MOST_OUTPUT_DIFFERENCE,
        )


def timed(
    workers: dict[str, Worker], case: Case, seeds: list[int], rounds: int
) -> tuple[dict[str, Figure], float, float]:
    """Median CPU-seconds of each way per seed; the busiest expert; how far outputs lie apart."""
    values: dict[str, list[float]] = {way: [] for way in workers}
    busiest = apart = 0.0
    for seed in seeds:
        for worker in workers.values():
            worker.ask("draw", case, seed)
        for way, seconds in interleave(workers, rounds, warm_up=2).items():
            values[way].append(float(np.median(seconds)))
        busiest = max(busiest, *(worker.ask("busiest") for worker in workers.values()))
        if THEIRS in workers:
            ours, theirs = (workers[way].ask("output") for way in ("auto", THEIRS))
            apart = max(apart, float(np.abs(ours - theirs).max() / np.abs(theirs).max()))
    return {way: Figure.of(seconds) for way, seconds in values.items()}, busiest, apart


def paths(outcome: Outcome, seeds: list[int], rounds: int) -> None:
    """Our own ways of computing experts, at several shapes: which wins where."""
    for precision in DTYPES:
        workers = {path: Worker(ProductSide, way=path, precision=precision) for path in PATHS}
        table = []
        for case in (TARGET, *OTHERS):
            taken = {}
            for path, worker in workers.items():
                worker.ask("draw", case, seeds[0])
                if worker.ask("usable"):
                    taken[path] = worker
            found, _, _ = timed(taken, case, seeds, rounds)
            milliseconds = {
                path: Figure.of(1e3 * value for value in seconds.values)
                for path, seconds in found.items()
            }
            table.append([str(case), *(milliseconds.get(path, "cannot") for path in PATHS)])
        for worker in workers.values():
            worker.close()
        outcome.table(
            f"farthing's paths, {precision}: ms forward and backward", ["case", *PATHS], table
        )


if __name__ == "__main__":
    main()
