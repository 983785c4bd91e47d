"""Compiling the C kernels on the machine that runs them, once, for exactly its processor.

    $FARTHING_CACHE, $XDG_CACHE_HOME/farthing or ~/.cache/farthing
    └── kernels/KEY/          KEY: digest of sources, flags, processor and C library
        ├── farthing.so
        └── compiled.json     which compiler it was, and the digest of farthing.so

No header of torch is read, so the whole takes a second or two. Threads are those of torch: the
library is linked without an OpenMP runtime, and finds the one that torch has loaded.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from farthing.artifacts.cache import (
    PRIVATE,
    CacheError,
    UntrustedCacheError,
    cache_folder,
    check_private,
)
from farthing.artifacts.canonical import digest_file, digest_json

SOURCES = Path(__file__).parent / "cpu"
_LIBRARY = "farthing.so"
_NOTE = "compiled.json"
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
    """Why there is no library: no compiler, or what the compiler said."""


def kernel_cache() -> Path:
    """The folder of compiled kernels; it need not exist.

    Raises:
        CacheError: nothing says where it is.
    """
    return cache_folder("kernels")


def load_library() -> tuple[ctypes.CDLL, str]:
    """The kernels, compiled now if they are not in the cache, and one line on what they are.

    Raises:
        CompileError: they cannot be had here.
        CacheError: there is no private place to keep them.
    """
    reasons: list[str] = []
    # Where torch brought no OpenMP runtime under its common name, the kernels use one thread.
    for flags in ([*_FLAGS, _OPENMP], _FLAGS):
        try:
            library = ctypes.CDLL(str(_cached(flags)))
        except UntrustedCacheError:
            raise
        except (OSError, CacheError, CompileError) as error:
            reasons.append(str(error))
        else:
            threads = "".join(f", one thread: {reason}" for reason in reasons)
            return library, f"compiled for this processor{threads}"
    raise CompileError("; ".join(dict.fromkeys(reasons)))


def _cached(flags: list[str]) -> Path:
    """The library of these flags in the cache, compiled now if it is not there, or not whole."""
    key = digest_json(
        {
            "sources": {path.name: digest_file(path) for path in sorted(SOURCES.iterdir())},
            "flags": flags,
            "processor": _processor(),
            # The linker's choice of symbols: a library may need what an older one has not.
            "libc": platform.libc_ver(),
        }
    )
    folder = kernel_cache() / key[:16]
    if _is_whole(folder):
        return folder / _LIBRARY
    folder.parent.parent.mkdir(parents=True, exist_ok=True)
    folder.parent.mkdir(mode=PRIVATE, exist_ok=True)
    if folder.exists():
        shutil.rmtree(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        compiled = _compiled(Path(scratch), flags)
        try:
            compiled.rename(folder)
        except OSError:
            # Another process was faster: that is as good.
            if not _is_whole(folder):
                raise
    return folder / _LIBRARY


def _is_whole(folder: Path) -> bool:
    """Whether a library lies there as it was written; loading half of one would end the process.

    Raises:
        UntrustedCacheError: somebody else could have written it.
    """
    for path in (folder.parent, folder, folder / _LIBRARY):
        check_private(path)
    try:
        note = json.loads((folder / _NOTE).read_text(encoding="utf-8"))
        return bool(note["library"] == digest_file(folder / _LIBRARY))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return False


def _compiled(scratch: Path, flags: list[str]) -> Path:
    """A folder with the library and its note, by the first compiler that can.

    Raises:
        CompileError: none can; with the reason of the first that was tried.
    """
    reasons: list[str] = []
    for compiler in _compilers():
        folder = scratch / str(len(reasons))
        folder.mkdir(mode=PRIVATE)
        try:
            _compile(compiler, flags, folder)
        except (OSError, subprocess.SubprocessError) as error:
            reasons.append(_reason(shlex.join(compiler), error))
        else:
            return folder
    missing = f"no C compiler found (looked for $CC, {', '.join(_COMPILERS)})"
    raise CompileError(reasons[0] if reasons else missing)


def _compilers() -> list[list[str]]:
    """The commands to try: $CC, which may hold flags of its own, then the common names."""
    wanted = [shlex.split(os.environ.get("CC", "")), *([name] for name in _COMPILERS)]
    found: dict[tuple[Path | str, ...], list[str]] = {}
    for name, *flags in filter(None, wanted):
        if path := shutil.which(name):
            # Two names of one compiler would fail for one reason.
            found.setdefault((Path(path).resolve(), *flags), [path, *flags])
    return list(found.values())


def _compile(compiler: list[str], flags: list[str], folder: Path) -> None:
    library, objects = folder / _LIBRARY, []
    for source in sorted(SOURCES.glob("*.c")):
        objects.append(folder.parent / f"{folder.name}-{source.stem}.o")
        _run([*compiler, *flags, "-c", str(source), "-o", str(objects[-1])])
    # Linked without the arithmetic flags: some compilers would change the whole process's
    # treatment of tiny numbers. Without -fopenmp: torch's threads, not a second pool.
    _run([*compiler, "-shared", *map(str, objects), "-o", str(library), "-lm"])
    library.chmod(PRIVATE)
    version = subprocess.run(
        [*compiler, "--version"], capture_output=True, check=False, timeout=_TIMEOUT_SECONDS
    ).stdout.decode(errors="replace")
    note = {"compiler": [*compiler, *version.splitlines()[:1]], "library": digest_file(library)}
    (folder / _NOTE).write_text(json.dumps(note, indent=1), encoding="utf-8")
    for path in (library, folder / _NOTE):
        with path.open("rb") as file:
            os.fsync(file.fileno())


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
