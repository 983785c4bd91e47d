"""Importing is cheap and does nothing: no torch for `--help`, no logging set up, no output.

Which room may import which is the import-linter contracts' business (`make lint`).
"""

import subprocess
import sys

# Not the environment nor `random`: torch and rich change those when they are imported.
IMPORT_EVERYTHING = """
import importlib, logging, os, pkgutil, threading
import torch

def state():
    return {
        "folder": os.getcwd(), "threads": threading.active_count(),
        "dtype": torch.get_default_dtype(),
        "seed": torch.initial_seed(), "torch threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }

before = state()
import farthing
for module in pkgutil.walk_packages(farthing.__path__, "farthing."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert state() == before, (before, state())
ours = [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "farthing"]
handlers = logging.root.handlers + [h for name in ours for h in logging.getLogger(name).handlers]
assert all(isinstance(handler, logging.NullHandler) for handler in handlers), handlers
"""

HELP = """
import sys
sys.argv = ["farthing", "--help"]
from farthing.cli.main import main
try:
    main()
except SystemExit as leaving:
    assert not leaving.code, leaving.code
heavy = sorted({"torch", "numpy", "pyarrow", "numba"} & set(sys.modules))
assert not heavy, f"--help loads {heavy}"
"""


def _run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_every_module_changes_nothing_and_prints_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_importing_the_package_does_not_load_torch():
    done = _run("import farthing, sys; assert 'torch' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_help_loads_neither_torch_nor_numpy():
    done = _run(HELP)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout
