"""Every public module, class and function says what it is; no file is excused."""

import subprocess
import sys

# Public modules, classes, methods, functions, packages.
RULES = "--select=D100,D101,D102,D103,D104"


def test_everything_public_has_a_docstring_even_where_a_noqa_says_otherwise(package):
    missing = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--ignore-noqa", "--no-cache", RULES, package],
        capture_output=True,
        text=True,
        check=False,
    )
    assert missing.returncode == 0, missing.stdout + missing.stderr
