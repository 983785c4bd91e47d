"""Put the real output of the quick start into README.md and docs/results/quickstart.md.

    make results

The quick start is asked again in the same workspace: everything is reused, only the tables are
printed. README shows them without the members' costs; the page in docs/results has all of it, and
the report stands beside it.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from farthing import __version__
from farthing.hardware.machine import detect_machine

ROOT = Path(__file__).resolve().parent.parent
BEGIN = "<!-- quickstart output: written by scripts/refresh_results.py -->"
END = "<!-- end of quickstart output -->"
LEFT_OUT_OF_README = ("Members of ", "\nMembers, each")


def main() -> None:
    """Rewrite both pages from one workspace."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("--workspace", type=Path, default=ROOT / "quickstart")
    workspace: Path = parser.parse_args().workspace
    output = quickstart_output(workspace)
    machine = detect_machine()
    where = (
        f"farthing {__version__}, torch {torch.__version__}, Python {platform.python_version()}, "
        f"{machine.processor.threads} hardware threads of {machine.processor.name}"
    )
    readme = ROOT / "README.md"
    first, last = (output.index(words) for words in LEFT_OUT_OF_README)
    short = f"{output[:first]}[...]\n{output[last:]}"
    readme.write_text(with_block(readme.read_text(encoding="utf-8"), short), encoding="utf-8")
    page = ROOT / "docs" / "results" / "quickstart.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(
        "# What `make quickstart` printed\n\n"
        f"{where}. Written by `scripts/refresh_results.py`.\n\n```text\n{output}```\n",
        encoding="utf-8",
    )
    shutil.copy(workspace / "report.html", page.with_name("quickstart-report.html"))


def quickstart_output(workspace: Path) -> str:
    """What the finished quick start prints on stdout."""
    command = [sys.executable, "-m", "farthing.cli.main", "quickstart", "--workspace"]
    done = subprocess.run([*command, str(workspace)], capture_output=True, text=True, check=True)
    # Folders are named relative to where the user stands.
    text = done.stdout.replace(str(workspace), workspace.name)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def with_block(page: str, block: str) -> str:
    """`page` with the text between the two marks replaced."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n```text\n{block.rstrip()}\n```\n{END}{after}"


if __name__ == "__main__":
    main()
