"""Kernels are compiled once per machine, and where they cannot be, the reason is said."""

import ctypes
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from farthing.model.kernels import compile as compiling
from farthing.model.kernels import native
from farthing.model.kernels.compile import kernel_cache, load_library
from farthing.model.kernels.native import kernels_in_use, plain_kernels, usable
from farthing.model.kernels.norm import plain_rms_norm, rms_norm

SOURCE = "long answer(void) { return 42; }\n"
needs_compiler = pytest.mark.skipif(
    not any(shutil.which(name) for name in ("cc", "gcc", "clang")), reason="no C compiler here"
)
# Loads one small library as the package would, and says what it answers.
LOADER = """
import sys
from pathlib import Path
from farthing.model.kernels import compile as compiling
compiling._SOURCES = Path(sys.argv[1])
print(compiling.load_library().answer())
"""
# Starts only when two of them are there, then does what it was asked to do.
SLOW_COMPILER = """#!/bin/sh
case "$1" in --version) exec {compiler} "$@" ;; esac
touch {folder}/$$
while [ $(ls {folder} | wc -l) -lt 2 ]; do sleep 0.01; done
exec {compiler} "$@"
"""


@pytest.fixture(autouse=True)
def _library_forgotten(monkeypatch):
    """Every test finds its own library, and leaves none behind."""
    monkeypatch.delenv("FARTHING_KERNELS", raising=False)
    native._library.cache_clear()
    yield
    native._library.cache_clear()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FARTHING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """One small source in place of the kernels: compiled in a moment."""
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "answer.c").write_text(SOURCE)
    monkeypatch.setattr(compiling, "_SOURCES", folder)
    return folder


@pytest.fixture
def commands(monkeypatch):
    """The commands that are run from now on."""
    seen, run = [], subprocess.run

    def recording(command, **kwargs):
        seen.append(command)
        return run(command, **kwargs)

    monkeypatch.setattr(subprocess, "run", recording)
    return seen


def _assert_plain(reason):
    """The reason is told, and everything is computed with torch's operators."""
    assert kernels_in_use().startswith("torch's own operators: ")
    assert reason in kernels_in_use()
    assert not usable(torch.zeros(1))
    x, weight = torch.randn(5, 40), torch.randn(40)
    assert torch.equal(rms_norm(x, weight, 1e-5), plain_rms_norm(x, weight, 1e-5))


def test_the_cache_is_where_the_environment_says(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("FARTHING_CACHE", raising=False)
    assert kernel_cache() == Path("/home/someone/.cache/farthing/kernels")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert kernel_cache() == Path("/cache/farthing/kernels")
    monkeypatch.setenv("FARTHING_CACHE", "/mine")
    assert kernel_cache() == Path("/mine/kernels")


@needs_compiler
@pytest.mark.usefixtures("sources")
def test_the_library_lies_in_the_cache_and_nothing_else_does(cache):
    assert load_library().answer() == 42
    (folder,) = (cache / "kernels").iterdir()
    assert [path.name for path in folder.iterdir()] == ["farthing.so"]


@needs_compiler
@pytest.mark.usefixtures("cache", "sources")
def test_what_is_in_the_cache_is_not_compiled_again(commands):
    load_library()
    assert any("-c" in command for command in commands)
    commands.clear()
    assert load_library().answer() == 42
    assert [command[1:] for command in commands] == [["--version"]]


@needs_compiler
def test_a_changed_source_processor_or_compiler_is_compiled_anew(
    cache, sources, commands, monkeypatch
):
    load_library()
    (sources / "answer.c").write_text(SOURCE.replace("42", "43"))
    assert load_library().answer() == 43
    (sources / "answer.h").write_text("/* included by nobody yet */")
    load_library()
    monkeypatch.setattr(compiling, "_processor", lambda: "another processor")
    load_library()
    assert len(list((cache / "kernels").iterdir())) == 4
    assert sum("-c" in command for command in commands) == 4


@needs_compiler
@pytest.mark.usefixtures("sources")
def test_a_cache_that_can_only_be_read_still_serves(cache, monkeypatch):
    load_library()

    def refuse(*_args, **_kwargs):
        raise PermissionError("read-only")

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(compiling.tempfile, "TemporaryDirectory", refuse)
    assert load_library().answer() == 42
    assert (cache / "kernels").is_dir()


@pytest.mark.usefixtures("cache")
def test_without_a_compiler_the_plain_path_runs_and_says_why(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    _assert_plain("no C compiler found (looked for cc, gcc, clang)")


@needs_compiler
@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    "broken",
    ["long answer(void) { return nothing; }\n", "#error nothing\n", '#include "nothing.h"\n'],
    ids=["in a function", "by itself", "in what it includes"],
)
def test_a_source_error_is_told_in_the_compilers_words(sources, broken):
    (sources / "answer.c").write_text(broken)
    _assert_plain("error: ")
    assert "nothing" in kernels_in_use()
    assert "answer.c:1" in kernels_in_use()
    assert "\n" not in kernels_in_use()


@pytest.mark.usefixtures("cache", "sources")
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo I am unwell >&2; exit 3", "cc: I am unwell"),
        ("exit 3", "returned non-zero exit status 3"),
        ("kill -SEGV $$", "SIGSEGV"),
        ("sleep 60", "timed out after"),
        ("exit 0", "farthing.so"),
    ],
    ids=["with a word", "without a word", "by a signal", "by never ending", "writing nothing"],
)
def test_a_compiler_that_fails_is_a_reason_and_no_crash(monkeypatch, tmp_path, script, reason):
    (tmp_path / "bin").mkdir()
    compiler = tmp_path / "bin" / "cc"
    compiler.write_text(f"#!/bin/sh\n{script}\n")
    compiler.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(tmp_path / "bin") + os.pathsep + os.environ["PATH"])
    monkeypatch.setattr(compiling, "_TIMEOUT_SECONDS", 0.2 if "sleep" in script else 60)
    _assert_plain(reason)


@needs_compiler
@pytest.mark.usefixtures("sources")
def test_a_cache_that_is_no_folder_is_a_reason_and_no_crash(cache):
    cache.write_text("a file")
    _assert_plain(f"Not a directory: '{cache}/kernels")


@needs_compiler
@pytest.mark.usefixtures("sources", "cache")
@pytest.mark.parametrize("where", ["the folder", "the file"])
def test_a_cache_without_permission_is_a_reason_and_no_crash(monkeypatch, where):
    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied", "/cache")

    if where == "the folder":
        monkeypatch.setattr(Path, "mkdir", refuse)
    else:
        monkeypatch.setattr(compiling.tempfile, "TemporaryDirectory", refuse)
    _assert_plain("[Errno 13] Permission denied: '/cache'")


@needs_compiler
@pytest.mark.usefixtures("sources")
def test_a_user_without_a_home_is_a_reason_and_no_crash(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("FARTHING_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    _assert_plain("FARTHING_CACHE is not set: Could not determine home directory.")


@needs_compiler
@pytest.mark.usefixtures("sources", "cache")
def test_a_library_that_does_not_load_is_a_reason_and_no_crash(monkeypatch):
    def refuse(path):
        raise OSError(f"{path}: failed to map segment from shared object")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    _assert_plain("failed to map segment")


@needs_compiler
@pytest.mark.usefixtures("cache")
def test_without_torchs_threads_the_kernels_use_one(sources):
    (sources / "answer.c").write_text(
        "#ifdef _OPENMP\nlong missing(void);\nlong answer(void) { return missing(); }\n"
        "#else\nlong answer(void) { return 1; }\n#endif\n"
    )
    assert load_library().answer() == 1


@needs_compiler
def test_two_processes_that_compile_at_once_both_end_well(tmp_path, cache, sources):
    waiting, tools = tmp_path / "waiting", tmp_path / "bin"
    waiting.mkdir()
    tools.mkdir()
    compiler = next(path for name in ("cc", "gcc", "clang") if (path := shutil.which(name)))
    (tools / "cc").write_text(SLOW_COMPILER.format(compiler=compiler, folder=waiting))
    (tools / "cc").chmod(stat.S_IRWXU)
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-c", LOADER, str(sources)]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["42\n"] * 2
    (folder,) = (cache / "kernels").iterdir()
    assert [path.name for path in folder.iterdir()] == ["farthing.so"]


def test_the_switch_asks_for_the_plain_path(monkeypatch):
    monkeypatch.setenv("FARTHING_KERNELS", "plain")
    monkeypatch.setattr(native, "load_library", lambda: pytest.fail("nothing is to be loaded"))
    _assert_plain("FARTHING_KERNELS=plain")


@pytest.mark.usefixtures("compiled")
def test_compiled_kernels_are_for_what_they_know():
    assert kernels_in_use() == "compiled for this processor"
    assert usable(torch.zeros(1), torch.zeros(1, dtype=torch.bfloat16))
    for dtype in (torch.float64, torch.float16, torch.int64):
        assert not usable(torch.zeros(1), torch.zeros(1, dtype=dtype))
    assert not usable(torch.zeros(1), torch.zeros(1, device="meta"))


@pytest.mark.usefixtures("compiled")
def test_under_autocast_its_dtype_counts_too():
    with torch.autocast("cpu", torch.bfloat16):
        assert usable(torch.zeros(1))
    with torch.autocast("cpu", torch.float16):
        assert not usable(torch.zeros(1))


@pytest.mark.usefixtures("compiled")
def test_plain_kernels_nest_and_end():
    x = torch.zeros(1)
    with plain_kernels():
        with plain_kernels():
            assert not usable(x)
        assert not usable(x)
    assert usable(x)
    with pytest.raises(KeyError), plain_kernels():
        raise KeyError
    assert usable(x)
