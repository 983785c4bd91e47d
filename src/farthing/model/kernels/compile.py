"""Compiling the C kernels on the machine that runs them, once, for exactly its processor.

    $FARTHING_CACHE, $XDG_CACHE_HOME/farthing or ~/.cache/farthing
    └── kernels/KEY/farthing.so       KEY: digest of sources, flags, compiler and processor

No header of torch is read, so the whole takes a second or two. Threads are those of torch: the
library is linked without an OpenMP runtime, and finds the one that torch has loaded.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from farthing.artifacts.canonical import digest_file, digest_json

_SOURCES = Path(__file__).parent / "cpu"
_LIBRARY = "farthing.so"
_COMPILERS = ("cc", "gcc", "clang")
_CPUINFO = Path("/proc/cpuinfo")
# Fast arithmetic, but NaN and infinity keep their meaning: the training's guard looks for them.
_FLAGS = [
    *("-O3", "-std=gnu11", "-fPIC", "-march=native", "-ffp-contract=fast", "-fno-math-errno"),
    *("-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math", "-freciprocal-math"),
]
_OPENMP = "-fopenmp"
_TIMEOUT_SECONDS = 120


class CompileError(Exception):
    """Why there is no library: no compiler, no place to write, or what the compiler said."""


def kernel_cache() -> Path:
    """The folder of compiled kernels; it need not exist.

    Raises:
        CompileError: nothing says where it is.
    """
    if cache := os.environ.get("FARTHING_CACHE"):
        return Path(cache) / "kernels"
    if cache := os.environ.get("XDG_CACHE_HOME"):
        return Path(cache) / "farthing" / "kernels"
    try:
        return Path.home() / ".cache" / "farthing" / "kernels"
    except RuntimeError as error:
        raise CompileError(f"FARTHING_CACHE is not set: {error}") from None


def load_library() -> ctypes.CDLL:
    """The kernels, compiled now if they are not in the cache.

    Raises:
        CompileError: they cannot be had here.
    """
    compiler = next((path for name in _COMPILERS if (path := shutil.which(name))), None)
    if compiler is None:
        raise CompileError(f"no C compiler found (looked for {', '.join(_COMPILERS)})")
    errors: list[Exception] = []
    # Where torch brought no OpenMP runtime under its common name, the kernels use one thread.
    for flags in ([*_FLAGS, _OPENMP], _FLAGS):
        try:
            return ctypes.CDLL(str(_compiled(compiler, flags)))
        except (OSError, subprocess.SubprocessError) as error:
            errors.append(error)
    raise CompileError(_reason(compiler, errors[0]))


def _compiled(compiler: str, flags: list[str]) -> Path:
    sources = sorted(_SOURCES.glob("*.c"))
    version = subprocess.run(
        [compiler, "--version"], capture_output=True, check=True, timeout=_TIMEOUT_SECONDS
    ).stdout
    key = digest_json(
        {
            "sources": {path.name: digest_file(path) for path in sorted(_SOURCES.iterdir())},
            "flags": flags,
            "compiler": version.decode(errors="replace"),
            "processor": _processor(),
        }
    )
    folder = kernel_cache() / key[:16]
    library = folder / _LIBRARY
    if library.exists():
        return library
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        objects = [str(Path(scratch) / f"{path.stem}.o") for path in sources]
        for source, target in zip(sources, objects, strict=True):
            _run([compiler, *flags, "-c", str(source), "-o", target])
        # Linked without the arithmetic flags: some compilers would change the whole process's
        # treatment of tiny numbers. Without -fopenmp: torch's threads, not a second pool.
        unfinished = Path(scratch) / _LIBRARY
        _run([compiler, "-shared", *objects, "-o", str(unfinished), "-lm"])
        # Renamed: two processes that compile at once both end with a whole file.
        unfinished.replace(library)
    return library


def _run(command: list[str]) -> None:
    subprocess.run(command, capture_output=True, check=True, timeout=_TIMEOUT_SECONDS)


def _processor() -> str:
    """What `-march=native` depends on: a home folder may be shared by different machines."""
    try:
        lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    marks = ("model name", "flags", "Features", "CPU implementer", "CPU part")
    return "\n".join(dict.fromkeys(line for line in lines if line.startswith(marks)))


def _reason(compiler: str, error: Exception) -> str:
    if not isinstance(error, subprocess.SubprocessError):
        return str(error)
    said: bytes = getattr(error, "stderr", None) or b""
    lines = said.decode(errors="replace").strip().splitlines() or [str(error)]
    # Before it may stand the function or the files that it is in.
    return f"{compiler}: {next((line for line in lines if 'error:' in line), lines[0])}"
