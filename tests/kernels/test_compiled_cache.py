"""Machine code is kept in a private folder, and made anew when a file it came from changes."""

import os
import subprocess
import sys

import pytest

from farthing.kernels import compiled as room

_PROGRAM = """
import sys
from pathlib import Path
import farthing.kernels
from farthing.kernels import compiled as room
room._ROOM = Path(sys.argv[1])
farthing.kernels.__path__.append(sys.argv[1])
from farthing.kernels.outer import double_of
print(double_of(4))
"""


def _said(folder, cache):
    result = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(folder)],
        env={**os.environ, "FARTHING_CACHE": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(result.stdout)


def _write(folder, factor):
    (folder / "helper.py").write_text(
        "from farthing.kernels.compiled import compiled\n\n"
        f"@compiled\ndef grow(x: int) -> int:\n    return x * {factor}\n"
    )
    (folder / "compiled.py").write_text("")
    (folder / "outer.py").write_text(
        "from farthing.kernels.compiled import compiled\n"
        "from farthing.kernels.helper import grow\n\n"
        "@compiled\ndef double_of(x: int) -> int:\n    return grow(x)\n"
    )


@pytest.mark.slow
def test_a_changed_helper_is_compiled_again(tmp_path):
    folder, cache = tmp_path / "room", tmp_path / "cache"
    folder.mkdir()
    _write(folder, 2)
    assert _said(folder, cache) == 8
    assert _said(folder, cache) == 8
    _write(folder, 3)
    assert _said(folder, cache) == 12


def test_a_cache_that_others_can_write_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setenv("FARTHING_CACHE", str(tmp_path))
    assert room._cache.__wrapped__("compiled").parent == tmp_path / "numba"
    (tmp_path / "numba").chmod(0o777)
    assert room._cache.__wrapped__("compiled") is None
