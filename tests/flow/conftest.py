"""A tiny bilingual corpus and recipe, and a way to run the command line as a user does."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from forked import CommandServer

RECIPE = """\
# a test's own recipe
name: tiny
corpus: {{sources: [{text}], until: raw, workers: 1, tokenizer: bytes, held_out_share: 0.1}}
model:
  num_layers: 4
  num_dense_layers: 1
  hidden_dim: 16
  num_heads: 2
  num_kv_heads: 1
  head_dim: 8
  dense_ffn_dim: 32
  num_experts: 4
  expert_dim: 8
  top_k: 2
  context: 128
train:
  steps: 12
  batch_sequences: 4
  micro_sequences: 2
  checkpoint_every: 4
  elastic: {{depths: [3], expert_counts: [2], top_ks: [1]}}
evaluate:
  members: [4L-4E-2K, 4L-2E-1K, 3L-4E-1K]
"""

LIMIT_SECONDS = 240
ENGLISH = ("river", "mill", "barge", "rain", "stone", "lamp", "door", "field", "crow", "night")
CHINESE = "日月山水风云花草人心天地春秋江河老少来去高低远近东西南北上下左右"


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty works in two languages, each a few kilobytes long and unlike the others."""
    path = tmp_path_factory.mktemp("text") / "works.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for language, pieces, joint in (("en", ENGLISH, " "), ("zh", CHINESE, "")):
            for work in range(15):
                source = random.Random(f"{language} {work}")
                body = joint.join(source.choice(pieces) for _ in range(400))
                line = {
                    "id": f"{language}/{work}",
                    "text": body,
                    "source": "written for this test",
                    "licence": "CC0-1.0",
                    "language": language,
                }
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return path


@pytest.fixture(autouse=True)
def recipe(tmp_path: Path, text_file: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE.format(text=text_file), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def command():
    """The command line of `farthing` under this very Python, for a test that starts it itself."""

    def build(*arguments: str) -> list[str]:
        start = "from farthing.cli.main import main; raise SystemExit(main())"
        return [sys.executable, "-c", start, *arguments]

    return build


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> CommandServer:
    """One thread, as exact resumption needs; the keys are each test's own."""
    nobody = tmp_path_factory.mktemp("nobody")
    return CommandServer({**os.environ, "FARTHING_HOME": str(nobody), "OMP_NUM_THREADS": "1"})


@pytest.fixture
def environment(tmp_path: Path, server: CommandServer) -> dict[str, str]:
    """Keys of the test's own, outside the workspace; one thread, as exact resumption needs."""
    return {**server.environment, "FARTHING_HOME": str(tmp_path / "home")}


def checked(done: subprocess.CompletedProcess[str], check: int) -> subprocess.CompletedProcess[str]:
    assert done.returncode == check, done.stdout + done.stderr
    return done


@pytest.fixture
def farthing(tmp_path: Path, environment: dict[str, str], server: CommandServer):
    """Run `farthing ...` to its end in `tmp_path`, expecting an exit code."""

    def run(*arguments: str, check: int = 0) -> subprocess.CompletedProcess[str]:
        return checked(server.run(arguments, tmp_path, environment, LIMIT_SECONDS), check)

    return run


@pytest.fixture
def fresh_farthing(tmp_path: Path, environment: dict[str, str], command):
    """As `farthing`, in an interpreter of its own: other hash seeds, and what `environment` says.

    Where the bytes of two runs are compared, at least one of them is started so.
    """

    def run(*arguments: str, check: int = 0, **options) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command(*arguments),
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            **options,
        )
        return checked(done, check)

    return run


@pytest.fixture(scope="session")
def family(
    tmp_path_factory: pytest.TempPathFactory, text_file: Path, server: CommandServer
) -> Path:
    """A folder with `w`, a trained family that nobody has scored, and `home`, its keys."""
    folder = tmp_path_factory.mktemp("family")
    (folder / "tiny.yaml").write_text(RECIPE.format(text=text_file), encoding="utf-8")
    train = ("train", "--recipe", "tiny.yaml", "--workspace", "w")
    own = {**server.environment, "FARTHING_HOME": str(folder / "home")}
    checked(server.run(train, folder, own, LIMIT_SECONDS), 0)
    return folder


@pytest.fixture
def trained(family: Path, tmp_path: Path, environment: dict[str, str]) -> Path:
    """The test's own copy of the family and of its keys, as if trained here; its run's folder."""
    shutil.copytree(family / "w", tmp_path / "w")
    shutil.copytree(family / "home", environment["FARTHING_HOME"], dirs_exist_ok=True)
    (place,) = tmp_path.glob("w/runs/tiny-*/")
    return place
