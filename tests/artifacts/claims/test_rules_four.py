"""What rules 4 of the book have: the entries of claims, and more about a run's software."""

from __future__ import annotations

import hashlib
import json
import subprocess
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

import farthing
from farthing.artifacts import entries
from farthing.artifacts.claims.entries import (
    Anchor,
    ClaimDraft,
    ClaimMade,
    ClaimNonce,
    RegisteredRun,
    Target,
    Tuning,
)
from farthing.artifacts.claims.packages import commit_of_source, installed, packages_digest
from farthing.artifacts.entries import Genesis, RunStart, read_book
from farthing.artifacts.environment import Environment
from farthing.errors import BookError
from farthing.session import _note_changed_environment

DIGEST = "ab" * 32
DRAFT = ClaimDraft(
    name="quickstart",
    statement="four models for less",
    runs=(
        RegisteredRun(arm="method", label="", recipe={"train": {"seed": None, "rate": 0.1}}),
        RegisteredRun(arm="baseline", label="100", recipe={"flops": 1e18}),
    ),
    baseline="nanochat",
    targets=(Target(shape="d4", bpb=1.25),),
    seeds=3,
    split="dev",
    corpus_digest=DIGEST,
    held_out_digest=DIGEST,
    code=DIGEST,
    commit=None,
    packages={"numpy": "2.4.6"},
    basis="flops",
    stop_rule="after the last step",
    tuning=Tuning(method_runs=0, baseline_runs=0, before="nothing"),
    storage_bytes=1 << 40,
)
BODIES = (
    DRAFT,
    ClaimNonce(draft=DIGEST, nonce="0f" * 16, origin="verifier", detail="a stranger"),
    Anchor(of=DIGEST, how="git-tag", detail="claim-1 0123"),
    ClaimMade(draft=DIGEST, claim="cd" * 32),
)
KINDS = ["claim.draft", "claim.nonce", "anchor", "claim.made"]


def test_a_new_book_begins_under_these_rules_or_later_ones(book):
    (genesis,) = [record.body for record in book.records]
    assert isinstance(genesis, Genesis)
    assert genesis.rules_version >= 4


def test_the_entries_of_a_claim_come_back_from_the_book(book, workspace):
    for body in BODIES:
        book.append(body)
    records = read_book(workspace.book_file).records[1:]
    assert [record.entry.kind for record in records] == KINDS
    assert tuple(record.body for record in records) == BODIES


def test_a_program_that_knows_only_rules_3_refuses_the_first_of_them(book, workspace, monkeypatch):
    book.append(BODIES[0])
    older = {kind: body for kind, body in entries.BODIES.items() if kind not in KINDS}
    monkeypatch.setattr(entries, "BODIES", older)
    with pytest.raises(BookError, match=r"line 2 .*claim\.draft.*does not know that kind"):
        read_book(workspace.book_file)


def test_a_run_says_which_software_its_numbers_depend_on(book, workspace, meter):
    with book.start_run(
        "training", "n", input_key="k", meter=meter, instructions="AVX2", deterministic=True
    ) as run:
        run.end()
    (start,) = [
        record.body
        for record in read_book(workspace.book_file).records
        if isinstance(record.body, RunStart)
    ]
    here = start.environment
    assert (here.instructions, here.deterministic) == ("AVX2", True)
    # For text alone, sorted compact JSON is what RFC 8785 prescribes.
    listed = json.dumps(installed(), sort_keys=True, separators=(",", ":"))
    assert here.packages == hashlib.sha256(listed.encode()).hexdigest() == packages_digest()


def test_an_environment_of_earlier_rules_lacks_three_fields_and_no_others():
    old = {"python": "3", "torch": None, "threads": 1, "platform": "p", "cpu": "c"}
    here = Environment.model_validate(old)
    new = here.model_dump()
    assert {name: new[name] for name in old} == old
    assert {name: new[name] for name in new if name not in old} == {
        "instructions": None,
        "packages": None,
        "deterministic": None,
    }
    for name in old:
        with pytest.raises(ValidationError):
            Environment.model_validate({key: old[key] for key in old if key != name})
    with pytest.raises(ValidationError):
        Environment.model_validate(old | {"later": None})


def test_what_an_older_book_did_not_hold_has_not_changed():
    """A note of a changed environment compares what both runs say."""
    old = {"python": "3", "torch": "2", "threads": 1, "platform": "p", "cpu": "c"}
    then = Environment.model_validate(old)
    now = then.model_copy(update={"packages": DIGEST, "instructions": "AVX2", "threads": 2})
    noted: list[str] = []
    starts = [
        RunStart.model_construct(input_key="k", environment=each, resumed_from_step=7)
        for each in (then, now)
    ]
    recorder = SimpleNamespace(start=starts[1], event=lambda _kind, detail: noted.append(detail))
    session = SimpleNamespace(
        book=SimpleNamespace(records=[SimpleNamespace(body=start) for start in starts]),
        show=SimpleNamespace(line=lambda _text: None),
    )
    _note_changed_environment(recorder, session)
    assert noted == ["threads: 1 before, 2 now"]


def test_the_packages_are_those_that_compute():
    found = installed()
    assert {"numpy", "torch", "safetensors", "tokenizers", "numba", "scipy"} <= set(found)
    assert list(found) == sorted(found)
    import numpy

    assert found["numpy"] == numpy.__version__
    found["numpy"] = "0"
    assert installed()["numpy"] != "0"


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A clean repository whose package is the one that runs; `git(...)` works in it."""
    package = tmp_path / "repository" / "src" / "farthing"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("x = 1\n")
    root = tmp_path / "repository"
    (root / ".gitignore").write_text("*.pyc\n.venv/\n")

    def git(*words):
        command = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", *words]
        done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "x")
    monkeypatch.setattr(farthing, "__file__", str(package / "__init__.py"))
    return SimpleNamespace(root=root, package=package, git=git)


def test_the_commit_of_a_clean_tree_is_known(repository, monkeypatch):
    commit = repository.git("rev-parse", "HEAD")
    assert commit_of_source() == commit
    # What is beside the package or ignored decides nothing.
    (repository.root / "notes.txt").write_text("x")
    (repository.package / "__init__.pyc").write_text("x")
    assert commit_of_source() == commit
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert commit_of_source() == commit


@pytest.mark.parametrize("change", ["edited", "staged", "added", "removed"])
def test_the_commit_of_a_changed_tree_is_not_that_code(repository, change):
    source = repository.package / "__init__.py"
    if change in ("edited", "staged"):
        source.write_text("x = 2\n")
    if change == "staged":
        repository.git("add", ".")
    if change == "added":
        (repository.package / "more.py").write_text("")
    if change == "removed":
        source.unlink()
    assert commit_of_source() is None


def test_an_environment_inside_of_somebodys_repository_is_not_its_code(repository, monkeypatch):
    package = repository.root / ".venv" / "farthing"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(farthing, "__file__", str(package / "__init__.py"))
    assert commit_of_source() is None


@pytest.mark.usefixtures("repository")
def test_without_git_no_commit_is_known(monkeypatch):
    assert commit_of_source() is not None
    monkeypatch.setenv("PATH", "")
    assert commit_of_source() is None
