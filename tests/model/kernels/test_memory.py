"""Keeping freed memory is for the whole process: it is tried in one of its own."""

import platform
import subprocess
import sys

import pytest

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="these settings are glibc's")
# What a C library may refuse, in place of the one here; then what was asked for.
REFUSING = """
import ctypes
from types import SimpleNamespace
from farthing.model.kernels import memory

asked = []
class Mallopt:
    def __call__(self, key, value):
        asked.append((key, value))
        return int({refused!r} is None or (key, value) != {refused!r})
memory.ctypes.CDLL = lambda _: SimpleNamespace(mallopt=Mallopt())
print(memory.keep_freed_memory(), asked)
"""


def _said(script):
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True, timeout=60
    ).stdout.strip()


@glibc
def test_the_c_library_here_takes_all_settings():
    script = "from farthing.model.kernels.memory import keep_freed_memory as keep; print(keep())"
    assert _said(script) == "True"


@glibc
@pytest.mark.parametrize(
    ("refused", "took", "blocks"),
    [
        (None, True, [(-3, 1 << 30)]),
        ((-3, 1 << 30), True, [(-3, 1 << 30), (-3, 1 << 25)]),
        ((-1, (1 << 31) - 1), False, [(-3, 1 << 30)]),
    ],
    ids=["none", "the largest block", "another"],
)
def test_every_setting_is_tried_whatever_is_refused(refused, took, blocks):
    others = [(-1, (1 << 31) - 1), (-2, 1 << 26)]
    assert _said(REFUSING.format(refused=refused)) == f"{took} {blocks + others}"


def test_another_c_library_is_left_alone():
    script = "import platform; platform.libc_ver = lambda: ('', '')\n"
    script += "from farthing.model.kernels.memory import keep_freed_memory as keep; print(keep())"
    assert _said(script) == "False"
