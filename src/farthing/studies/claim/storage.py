"""How large the checkpoints of a run are, counted tensor by tensor before there is one."""

from __future__ import annotations

import json
from collections.abc import Iterator

import torch
from torch import Tensor

from farthing.flow import RunConfig
from farthing.model.transformer import Transformer
from farthing.stages.train.elastic_fit import balance_pairs
from farthing.stages.train.optimizer import ModelOptimizer
from farthing.studies.claim.registered import segments_of

# Manifest and progress of a checkpoint: the last losses of the guard, digests, a few words.
_BESIDE_BYTES = 4096
# The format begins with the header's length, and pads the header to a multiple of it.
_WORD_BYTES = 8
_DTYPES = {
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.float64: "F64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def training_bytes(run: RunConfig, vocab_size: int) -> int:
    """The most that all checkpoints of an uninterrupted training take; each interruption adds one.

    Args:
        run: the recipe.
        vocab_size: of its corpus.
    """
    return segments_of(run) * checkpoint_bytes(run, vocab_size)


def checkpoint_bytes(run: RunConfig, vocab_size: int) -> int:
    """One checkpoint once every weight has been trained: its tensors, their names, and beside."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    size = 0
    for name, dtype, shape, count in _tensors(run, vocab_size):
        offsets = [size, size + count]
        header[name] = {"dtype": _DTYPES[dtype], "shape": shape, "data_offsets": offsets}
        size += count
    written = len(json.dumps(header, separators=(",", ":")).encode())
    padded = -(-written // _WORD_BYTES) * _WORD_BYTES
    return _WORD_BYTES + padded + size + _BESIDE_BYTES


def _tensors(run: RunConfig, vocab_size: int) -> Iterator[tuple[str, torch.dtype, list[int], int]]:
    """Name, type, shape and bytes of everything that a checkpoint saves."""
    sizes = run.model
    if pairs := balance_pairs(run.train.elastic, sizes):
        sizes = sizes.model_copy(update={"balance_pairs": pairs})
    with torch.device("meta"):
        model = Transformer(sizes, vocab_size, end_of_text=0)
    optimizer = ModelOptimizer(model, run.train.optimizer)
    for name, tensor in model.state_dict().items():
        yield _fact(f"model.{name}", tensor)
    by_muon = {id(weight) for group in optimizer.muon.param_groups for weight in group["params"]}
    scalar = torch.empty((), device="meta", dtype=torch.float32)
    for name, weight in model.named_parameters():
        if id(weight) in by_muon:
            yield _fact(f"optimizer.{name}/momentum", weight)
            continue
        yield _fact(f"optimizer.{name}/step", scalar)
        yield _fact(f"optimizer.{name}/exp_avg", weight)
        yield _fact(f"optimizer.{name}/exp_avg_sq", weight)
    yield _fact("random.torch_cpu", torch.get_rng_state())


def _fact(name: str, tensor: Tensor) -> tuple[str, torch.dtype, list[int], int]:
    return name, tensor.dtype, list(tensor.shape), tensor.numel() * tensor.element_size()
