"""The tensors of a GGUF file: their names, their types, and their bytes in the file.

Shapes: E experts of a layer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from gguf import (
    GGML_QUANT_SIZES,
    MODEL_ARCH,
    GGMLQuantizationType,
    GGUFWriter,
    get_tensor_name_map,
)
from gguf.quants import quant_shape_to_byte_shape, quantize

from farthing.errors import ArtifactError

ARCHITECTURES = {"glm4_moe": MODEL_ARCH.GLM4_MOE, "qwen3": MODEL_ARCH.QWEN3}

_EXPERT = re.compile(r"(.*\.mlp\.experts)\.(\d+)\.(\w+\.weight)")
_SELECTION_BIAS = re.compile(r"(.*)\.e_score_correction_bias")
# Small, and rounding them moves which experts are chosen or every activation at once.
_ALWAYS_F32 = re.compile(r".*(_norm|ffn_gate_inp)\.weight|.*\.bias")


@dataclass(frozen=True)
class PlannedTensor:
    """One tensor of the file.

    Attributes:
        name: in the file.
        sources: names in the folder; several are stacked along a new first axis.
        shape: as numpy has it; the file stores it reversed.
        type: of the stored numbers.
        rows_do_not_fit: a block encoding was asked for and the rows do not divide into blocks.
    """

    name: str
    sources: tuple[str, ...]
    shape: tuple[int, ...]
    type: GGMLQuantizationType
    rows_do_not_fit: bool

    @property
    def data_bytes(self) -> int:
        """Bytes of the data, padding not included."""
        return int(np.prod(quant_shape_to_byte_shape(self.shape, self.type)))


def plan_tensors(config: Mapping[str, Any], weights: Any, encoding: str) -> list[PlannedTensor]:  # noqa: ANN401
    """What the file will hold, in order, from the shapes alone.

    Args:
        config: of the folder.
        weights: its opened safetensors file.
        encoding: of the matrices.

    Raises:
        ArtifactError: a tensor that this architecture does not have.
    """
    architecture = ARCHITECTURES[config["model_type"]]
    names = get_tensor_name_map(architecture, config["num_hidden_layers"])
    planned = []
    for stem, sources in _grouped(config, weights.keys()).items():
        name = names.get_name(stem, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise ArtifactError(
                f"{config['model_type']} has no tensor {sources[0]!r} in GGUF",
                remedy="extract the member again",
            )
        rows = tuple(weights.get_slice(sources[0]).get_shape())
        shape = (len(sources), *rows) if _EXPERT.fullmatch(sources[0]) else rows
        kind = _type_of(name, shape, encoding)
        planned.append(PlannedTensor(name, sources, shape, *kind))
    return planned


def write_file(
    writer: GGUFWriter,
    target: Path,
    plan: Sequence[PlannedTensor],
    weights: Any,  # noqa: ANN401
) -> None:
    """Write header, keys and tensors to `target`, one tensor in memory at a time."""
    for tensor in plan:
        writer.add_tensor_info(
            tensor.name,
            tensor.shape,
            np.dtype(np.float32),
            tensor.data_bytes,
            raw_dtype=tensor.type,
        )
    writer.write_header_to_file(target)
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    assert writer.fout is not None
    (file,) = writer.fout
    writer.write_padding(file, file.tell())
    for tensor in plan:
        data = quantize(_read(tensor, weights), tensor.type)
        assert data.nbytes == tensor.data_bytes, tensor.name
        # Not write_tensor_data: numpy's tofile hides why the disk refused.
        file.write(np.ascontiguousarray(data).data)
        writer.write_padding(file, data.nbytes)
    file.flush()


def _grouped(config: Mapping[str, Any], names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Names of the folder by the name that the library's map knows; experts in their order."""
    groups: dict[str, dict[int, str]] = {}
    for name in sorted(names, key=_layer_order):
        stem, place = name, 0
        if match := _EXPERT.fullmatch(name):
            stem, place = f"{match[1]}.{match[3]}", int(match[2])
        elif match := _SELECTION_BIAS.fullmatch(name):
            stem = f"{match[1]}.e_score_correction.bias"
        groups.setdefault(stem, {})[place] = name
    if config.get("tie_word_embeddings"):
        # llama.cpp takes the embedding where there is no output matrix.
        groups.pop("lm_head.weight", None)
    for stem, found in groups.items():
        count = config["n_routed_experts"] if _EXPERT.fullmatch(next(iter(found.values()))) else 1
        if sorted(found) != list(range(count)):
            raise ArtifactError(
                f"{stem} lacks some of its experts: {sorted(found)} of {count}",
                remedy="extract the member again",
            )
    return {stem: tuple(found[i] for i in sorted(found)) for stem, found in groups.items()}


def _layer_order(name: str) -> list[int | str]:
    # "layers.10" after "layers.9": odd parts are the numbers, so equal places have equal types.
    return [
        int(part) if i % 2 else part for i, part in enumerate(re.split(r"(?<=\.)(\d+)(?=\.)", name))
    ]


def _type_of(name: str, shape: tuple[int, ...], encoding: str) -> tuple[GGMLQuantizationType, bool]:
    if len(shape) == 1 or _ALWAYS_F32.fullmatch(name):
        return GGMLQuantizationType.F32, False
    wanted = GGMLQuantizationType[encoding]
    block, _ = GGML_QUANT_SIZES[wanted]
    if shape[-1] % block:
        return GGMLQuantizationType.F16, True
    return wanted, False


def _read(tensor: PlannedTensor, weights: Any) -> npt.NDArray[np.float32]:  # noqa: ANN401
    parts = [weights.get_tensor(source).to(torch.float32) for source in tensor.sources]
    whole = torch.stack(parts) if len(tensor.shape) > parts[0].dim() else parts[0]
    array: npt.NDArray[np.float32] = whole.numpy()
    return array
