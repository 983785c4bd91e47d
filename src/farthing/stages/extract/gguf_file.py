"""One GGUF file from a member's Hugging Face folder: what llama.cpp and its kin read.

llama.cpp's own converter refuses every tokenizer that is not on its list of hashes, so the file is
written here, with the `gguf` package. That package is an extra: nothing is imported before it is
needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from safetensors import SafetensorError, safe_open

from farthing.errors import ArtifactError, MissingExtraError

if TYPE_CHECKING:
    from farthing.stages.extract.gguf_tensors import PlannedTensor

Encoding = Literal["F32", "F16", "Q8_0"]

_RESTORE = "extract the member again"


@dataclass(frozen=True)
class GgufSummary:
    """What one GGUF file holds.

    Attributes:
        encoding: what most of the weights are stored in.
        file_bytes: size of the file.
        bytes_by_type: bytes of tensor data, by GGUF type.
        left_unquantized: tensors that stayed F16 because their rows do not divide into the blocks
            of `encoding`.
        left_unquantized_bytes: how large those are.
    """

    encoding: Encoding
    file_bytes: int
    bytes_by_type: dict[str, int]
    left_unquantized: tuple[str, ...]
    left_unquantized_bytes: int


def write_gguf(member: Path, target: Path, encoding: Encoding, name: str) -> GgufSummary:
    """Write the model in the Hugging Face folder `member` to the file `target`.

    Reads `config.json`, `model.safetensors` and `tokenizer.json`, and holds one tensor at a time.

    Args:
        member: a glm4_moe or qwen3 folder with the qwen2 pre-tokenizer.
        target: the file, overwritten; staging and renaming it is up to the caller.
        encoding: of the matrices. Norms, biases and routers are always F32.
        name: what engines show as the model's name.

    Raises:
        MissingExtraError: the `gguf` package is not installed.
        UsageError: the model is of a kind that has no exact GGUF form.
        ArtifactError: a file is missing or does not hold what its config says.
    """
    try:
        # Here, not above: everything else works without the extra.
        from farthing.stages.extract import gguf_keys, gguf_tensors
    except ModuleNotFoundError as error:
        if error.name != "gguf":
            raise
        raise MissingExtraError("writing GGUF files", extra="gguf") from error
    config = _read_json(member / "config.json")
    tokenizer = _read_json(member / "tokenizer.json")
    try:
        with ExitStack() as stack:
            weights = stack.enter_context(_opened(member / "model.safetensors"))
            writer = gguf_keys.new_writer(config, tokenizer, encoding, name)
            stack.callback(writer.close)
            plan = gguf_tensors.plan_tensors(config, weights, encoding)
            gguf_tensors.write_file(writer, target, plan, weights)
    except KeyError as error:
        raise ArtifactError(f"{member} holds no {error.args[0]}", remedy=_RESTORE) from error
    return _summary(encoding, target, plan)


def _opened(path: Path) -> Any:  # noqa: ANN401 (the library has no type for it)
    try:
        return safe_open(path, framework="pt")
    except (FileNotFoundError, SafetensorError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}", remedy=_RESTORE) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}", remedy=_RESTORE) from error
    if not isinstance(found, dict):
        raise ArtifactError(f"{path} holds no JSON object", remedy=_RESTORE)
    return found


def _summary(encoding: Encoding, target: Path, plan: Iterable[PlannedTensor]) -> GgufSummary:
    by_type: dict[str, int] = {}
    left: list[str] = []
    left_bytes = 0
    for tensor in plan:
        by_type[tensor.type.name] = by_type.get(tensor.type.name, 0) + tensor.data_bytes
        if tensor.rows_do_not_fit:
            left.append(tensor.name)
            left_bytes += tensor.data_bytes
    return GgufSummary(encoding, target.stat().st_size, by_type, tuple(left), left_bytes)
