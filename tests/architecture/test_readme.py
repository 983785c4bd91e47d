"""What the pages tell a reader to type exists, and what they link to is there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND_LINE = re.compile(r"(?:^|[\s/$`])farthing ([a-z][a-z-]*)", re.MULTILINE)
MAKE_TARGET = re.compile(r"(?:^|[\s$`])make ([a-z][a-z-]*)", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
VERB_IN_HELP = re.compile(r"^\W*([a-z][a-z-]*)(?:\s{2,}|\s*$)", re.MULTILINE)


def _pages(root):
    return [*sorted(root.glob("*.md")), *sorted((root / "docs").rglob("*.md"))]


def _code(text):
    """The fenced blocks and inline code of a page: what is meant to be typed."""
    fenced = re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    without = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return "\n".join(fenced + re.findall(r"`([^`\n]+)`", without))


def _named(root, pattern):
    return {
        (match.group(1), page.relative_to(root).as_posix())
        for page in _pages(root)
        for match in pattern.finditer(_code(page.read_text(encoding="utf-8")))
    }


@pytest.fixture(scope="module")
def verbs():
    script = Path(sys.executable).parent / "farthing"
    shown = subprocess.run(
        [script, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
    ).stdout
    # The rows of the list of commands: a verb, two spaces or more, what it does.
    return set(VERB_IN_HELP.findall(shown.partition("Commands")[2]))


def test_there_is_a_readme_with_the_two_commands_of_a_newcomer(root):
    code = _code((root / "README.md").read_text(encoding="utf-8"))
    assert "make quickstart" in code
    assert "make test" in code


def test_every_make_target_that_a_page_names_exists(root):
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert {use for use in _named(root, MAKE_TARGET) if use[0] not in targets} == set()


def test_every_verb_that_a_page_names_exists(root, verbs):
    assert "quickstart" in verbs
    assert {use for use in _named(root, COMMAND_LINE) if use[0] not in verbs} == set()


def test_every_relative_link_leads_somewhere(root):
    broken = [
        f"{page.relative_to(root)}: {target}"
        for page in _pages(root)
        for target in LINK.findall(page.read_text(encoding="utf-8"))
        if not re.match(r"[a-z]+:|#", target)
        and not (page.parent / target.partition("#")[0]).exists()
    ]
    assert broken == []
