"""Writing tensors as safetensors, with the disk's refusals as what they are."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

_MODE = 0o644
_OS_ERROR = re.compile(r"os error (\d+)")


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write contiguous CPU copies of `tensors` to `path`.

    Raises:
        OSError: the disk refused (safetensors wraps this in an error of its own).
    """
    # Clones: tied weights share memory, which the format refuses.
    copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(copies, path, metadata={"format": "pt"})
        # The library writes for the owner alone; these files are as public as those beside them.
        path.chmod(_MODE)
    except SafetensorError as error:
        if found := _OS_ERROR.search(str(error)):
            number = int(found.group(1))
            raise OSError(number, os.strerror(number), str(path)) from error
        raise
