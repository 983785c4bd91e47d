"""Write what `farthing plan` prints into docs/plan.md, and each planned recipe beside it.

    python scripts/refresh_plan.py

A block of the page between `<!-- plan NAME: ... -->` and its end is the output of the command in
its first line; a plan with `--write` leaves its recipe as docs/results/plan/NAME.yaml. Everything
is planned anew in a workspace of its own, so that nobody's prices or runs are in it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import tempfile
from pathlib import Path

from farthing.cli.main import main as farthing

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "plan.md"
RECIPES = ROOT / "docs" / "results" / "plan"
BLOCK = re.compile(
    r"(?P<head><!-- plan (?P<name>[a-z0-9-]+): written by scripts/refresh_plan\.py -->\n"
    r"```text\n\$ (?P<command>farthing plan [^\n]*)\n)(?P<body>.*?)(?P<tail>```\n)",
    re.DOTALL,
)


def main() -> None:
    """Plan everything that the page shows, and write it."""
    text = PAGE.read_text(encoding="utf-8")
    RECIPES.mkdir(parents=True, exist_ok=True)
    shown = BLOCK.sub(lambda match: match["head"] + _output(match) + match["tail"], text)
    PAGE.write_text(shown, encoding="utf-8")
    print(f"written: {PAGE.relative_to(ROOT)}, {len(list(RECIPES.glob('*.yaml')))} recipes")


def _output(match: re.Match[str]) -> str:
    arguments = shlex.split(match["command"])[1:]
    before = Path.cwd()
    printed = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(printed):
        os.chdir(folder)
        try:
            with contextlib.redirect_stderr(printed):
                farthing(arguments)
        finally:
            os.chdir(before)
        for recipe in Path(folder).glob("*.yaml"):
            (RECIPES / f"{match['name']}.yaml").write_bytes(recipe.read_bytes())
    return printed.getvalue()


if __name__ == "__main__":
    main()
