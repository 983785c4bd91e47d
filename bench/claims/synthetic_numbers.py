"""Sizes, FLOPs and sums of the synthetic claim, by plain arithmetic."""

from __future__ import annotations

import hashlib
import math
from typing import Any

Json = dict[str, Any]
SEEDS = 3
VOCABULARY = 32
NONCE = "0f" * 32
METHOD: Json = {
    **{"num_layers": 4, "num_dense_layers": 1, "hidden_dim": 8, "num_heads": 2, "num_kv_heads": 1},
    **{"head_dim": 4, "dense_ffn_dim": 16, "num_experts": 4, "expert_dim": 6, "top_k": 2},
    **{"num_shared_experts": 1, "context": 16, "activation": "swiglu"},
}
BASELINE: Json = {**METHOD, "num_layers": 2, "num_experts": 0, "expert_dim": 0, "top_k": 0}
FULL, SMALL = "layers=0-3/experts=4/top_k=2", "layers=0-1,3/experts=2/top_k=1"
WHOLE = "layers=0-1"
BATCH = 2
TOKENS = BATCH * 16
DEVICES = 2


def forward_flops(model: Json, layers: int, experts: int, top_k: int, pairs: int) -> int:
    """Of one batch, matrix by matrix."""
    width, heads = model["hidden_dim"], model["num_heads"] * model["head_dim"]
    keys = model["num_kv_heads"] * model["head_dim"]
    total = 0
    for layer in range(layers):
        matrices = [(width, heads), (width, keys), (width, keys), (heads, width)]
        if layer == 0 or not model["num_experts"]:
            matrices += [(width, model["dense_ffn_dim"])] * 3
        else:
            visited = top_k + model["num_shared_experts"]
            matrices += [(width, experts)] + [(width, model["expert_dim"])] * 3 * visited
        total += sum(2 * TOKENS * rows * columns for rows, columns in matrices)
        total += 2 * pairs * heads + 2 * pairs * heads
    return total + 2 * TOKENS * width * VOCABULARY


def recipe_of(arm: str, steps: int) -> Json:
    """As a draft registers it."""
    model, members = (METHOD, [FULL, SMALL]) if arm == "method" else (BASELINE, [WHOLE])
    elastic = {
        **{"depths": [3], "expert_counts": [2], "top_ks": [1], "passes": ["draw"]},
        **{"onset": 0.0, "distill_weight": 0.0, "layer_dropout": None, "sizes": []},
    }
    schedule = {"warmup_share": 0.1, "decay_share": 0.5, "decay_shape": "linear"}
    train = {
        **{"steps": steps, "seed": None, "batch_sequences": BATCH, "precision": "fp32"},
        "elastic": elastic if arm == "method" else None,
        "schedule": {**schedule, "final_share": 0.0},
        "optimizer": {
            **{"matrix_optimizer": "muon", "newton_schulz_iterations": 5},
            "newton_schulz_share": 100.0,
        },
        "activation_gib": None,
    }
    evaluate = {"members": members, "split": "dev"}
    return {"name": f"{arm}-{steps}", "model": model, "train": train, "evaluate": evaluate}


def work_of(seconds: float, *, tokens: int = 0, flops: int = 0, optimizer_flops: int = 0) -> Json:
    """Two threads held, at five watts each."""
    held = DEVICES * seconds
    return {
        **{"wall_seconds": seconds, "device_seconds": held, "cpu_seconds": 1.5 * seconds},
        **{"tokens": tokens, "flops": flops, "optimizer_flops": optimizer_flops},
        **{"joules": 5.0 * held, "energy_method": "tdp_model", "energy_parts": []},
    }


def less(whole: Json, part: Json) -> Json:
    """What is left of a run."""
    names = [name for name in whole if not name.startswith("energy")]
    return {**whole, **{name: whole[name] - part[name] for name in names}}


def amounts(parts: list[tuple[Json, bool]]) -> Json:
    """A sum of work; each with whether its run is counted here."""
    works = [work for work, _ in parts]
    hours = sum(work["device_seconds"] for work in works) / 3600
    return {
        **{"runs": sum(counts for _, counts in parts), "device_hours": hours},
        **{name: sum(w[name] for w in works) for name in ("flops", "optimizer_flops", "tokens")},
        "kwh": sum(work["joules"] for work in works) / 3.6e6,
        "energy_method": "tdp_model" if works else "none",
        "usd": 0.02 * hours,
    }


def merkle_root(leaves: list[bytes]) -> str:
    """RFC 6962, as its section 2.1 writes it."""
    return _root(leaves).hex()


def _root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (math.ceil(math.log2(len(leaves))) - 1)
    return hashlib.sha256(b"\x01" + _root(leaves[:split]) + _root(leaves[split:])).digest()
