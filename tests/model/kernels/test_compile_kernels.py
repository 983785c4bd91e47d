"""Kernels are compiled once per machine, and where they cannot be, the reason is said."""

import ctypes
import json
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
from farthing.model.kernels.native import kernels_in_use, usable
from farthing.model.kernels.norm import plain_rms_norm, rms_norm

FILES = ["compiled.json", "farthing.so"]
SOURCE = "long answer(void) { return 42; }\n"
COMPILER = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler here")
# Loads one small library as the package would, and says what it answers.
LOADER = """
import sys
from pathlib import Path
from farthing.model.kernels import compile as compiling
compiling.SOURCES = Path(sys.argv[1])
print(compiling.load_library()[0].answer())
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
    monkeypatch.delenv("CC", raising=False)
    native._library.cache_clear()
    native._functions.cache_clear()
    yield
    native._library.cache_clear()
    native._functions.cache_clear()


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
    monkeypatch.setattr(compiling, "SOURCES", folder)
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


def _tool(folder, name, script):
    """A folder with a program of this name."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(stat.S_IRWXU)
    return folder


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
    # As its specification says.
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert kernel_cache() == Path("/home/someone/.cache/farthing/kernels")
    monkeypatch.setenv("FARTHING_CACHE", "/mine")
    assert kernel_cache() == Path("/mine/kernels")


@needs_compiler
@pytest.mark.usefixtures("sources")
def test_the_library_lies_in_the_cache_and_nothing_else_does(cache):
    assert load_library()[0].answer() == 42
    (folder,) = (cache / "kernels").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == FILES


@needs_compiler
@pytest.mark.usefixtures("cache", "sources")
def test_what_is_in_the_cache_is_not_compiled_again(commands):
    load_library()
    assert any("-c" in command for command in commands)
    commands.clear()
    assert load_library()[0].answer() == 42
    assert commands == []


@needs_compiler
def test_a_changed_source_or_processor_is_compiled_anew(cache, sources, commands, monkeypatch):
    load_library()
    (sources / "answer.c").write_text(SOURCE.replace("42", "43"))
    assert load_library()[0].answer() == 43
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
    assert load_library()[0].answer() == 42
    assert (cache / "kernels").is_dir()


@pytest.mark.usefixtures("cache")
def test_without_a_compiler_the_plain_path_runs_and_says_why(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    _assert_plain("no C compiler found (looked for $CC, cc, gcc, clang)")


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
        ("exec /bin/sleep 60", "timed out after"),
        ("exit 0", "farthing.so"),
    ],
    ids=["with a word", "without a word", "by a signal", "by never ending", "writing nothing"],
)
def test_a_compiler_that_fails_is_a_reason_and_no_crash(monkeypatch, tmp_path, script, reason):
    monkeypatch.setenv("PATH", str(_tool(tmp_path / "bin", "cc", script)))
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
    library, line = load_library()
    assert library.answer() == 1
    assert line.startswith("compiled for this processor, one thread: ")
    assert "undefined symbol: missing" in line


@needs_compiler
@pytest.mark.usefixtures("cache")
def test_where_neither_build_loads_both_reasons_are_told(sources):
    (sources / "answer.c").write_text(
        "#ifdef _OPENMP\nlong first(void);\nlong answer(void) { return first(); }\n"
        "#else\nlong second(void);\nlong answer(void) { return second(); }\n#endif\n"
    )
    _assert_plain("undefined symbol: first; ")
    assert "undefined symbol: second" in kernels_in_use()


@needs_compiler
@pytest.mark.usefixtures("sources")
def test_without_a_compiler_what_was_compiled_before_is_used(cache, monkeypatch, tmp_path):
    load_library()
    (note,) = (cache / "kernels").glob("*/compiled.json")
    assert json.loads(note.read_text())["compiler"][0] == COMPILER
    monkeypatch.setenv("PATH", str(tmp_path))
    library, line = load_library()
    assert library.answer() == 42
    assert line == "compiled for this processor"


@needs_compiler
@pytest.mark.usefixtures("cache", "sources")
@pytest.mark.parametrize("wanted", [None, "mine -DANSWER=1"], ids=["cc", "CC"])
def test_a_compiler_that_fails_gives_way_to_the_next(commands, monkeypatch, tmp_path, wanted):
    tools = _tool(tmp_path / "bin", "mine" if wanted else "cc", "exit 1")
    (tools / "gcc").symlink_to(COMPILER)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    if wanted:
        monkeypatch.setenv("CC", wanted)
    assert load_library()[0].answer() == 42
    assert commands[0][:2] == (
        [str(tools / "mine"), "-DANSWER=1"] if wanted else [str(tools / "cc"), compiling._FLAGS[0]]
    )


@needs_compiler
@pytest.mark.usefixtures("sources")
@pytest.mark.parametrize("spoilt", ["farthing.so", "compiled.json"])
@pytest.mark.parametrize("kept", [0, 100, 5000])
def test_a_file_that_is_not_whole_is_compiled_once_more(cache, commands, spoilt, kept):
    load_library()
    (folder,) = (cache / "kernels").iterdir()
    path = folder / spoilt
    # Not shortened in place: this process has it mapped.
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: min(kept, len(content) - 1)])
    path.chmod(stat.S_IRWXU)
    commands.clear()
    assert load_library()[0].answer() == 42
    assert sum("-c" in command for command in commands) == 1
    assert sorted(path.name for path in folder.iterdir()) == FILES


@needs_compiler
@pytest.mark.usefixtures("sources")
def test_what_is_compiled_is_the_users_alone_whatever_the_umask(cache):
    before = os.umask(0)
    try:
        load_library()
    finally:
        os.umask(before)
    (library,) = (cache / "kernels").glob("*/farthing.so")
    for path in (cache / "kernels", library.parent, library):
        assert stat.S_IMODE(path.stat().st_mode) == stat.S_IRWXU
    assert load_library()[0].answer() == 42


@needs_compiler
@pytest.mark.usefixtures("sources")
@pytest.mark.parametrize("place", [".", "*", "*/farthing.so"])
@pytest.mark.parametrize("danger", ["others", "group", "link", "owner"])
def test_what_somebody_else_could_have_written_is_not_loaded(
    cache, monkeypatch, tmp_path, place, danger
):
    load_library()
    (path,) = (cache / "kernels").glob(place) if place != "." else (cache / "kernels",)
    if danger == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    elif danger == "owner":
        status = os.stat_result([0o40700, 0, 0, 1, os.geteuid() + 4242, *[0] * 5])
        whole = Path.lstat
        monkeypatch.setattr(Path, "lstat", lambda p: status if p == path else whole(p))
    else:
        path.chmod(0o777 if danger == "others" else 0o770)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: pytest.fail("nothing is to be loaded"))
    _assert_plain(f"{path} ")
    assert "code is not loaded from there (" in kernels_in_use()


@needs_compiler
def test_two_processes_that_compile_at_once_both_end_well(tmp_path, cache, sources):
    waiting, tools = tmp_path / "waiting", tmp_path / "bin"
    waiting.mkdir()
    tools.mkdir()
    (tools / "cc").write_text(SLOW_COMPILER.format(compiler=COMPILER, folder=waiting))
    (tools / "cc").chmod(stat.S_IRWXU)
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    command = [sys.executable, "-c", LOADER, str(sources)]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0] for process in processes] == ["42\n"] * 2
    (folder,) = (cache / "kernels").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == FILES


def test_the_switch_asks_for_the_plain_path(monkeypatch):
    monkeypatch.setenv("FARTHING_KERNELS", "plain")
    monkeypatch.setattr(native, "load_library", lambda: pytest.fail("nothing is to be loaded"))
    _assert_plain("FARTHING_KERNELS=plain")
