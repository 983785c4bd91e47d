"""A verdict that somebody signed, shown to somebody else."""

from __future__ import annotations

from pathlib import Path

from farthing.cli.output import print_json


def is_verdict(path: Path) -> bool:
    """Whether a file that was named to be verified is a verdict, and no claim's bundle."""
    from farthing.stages.verify import verdict_file

    return verdict_file.is_verdict(path)


def read_verdict(path: Path, *, as_json: bool) -> int:
    """Print what a verdict says if its signature holds; the exit code is the verdict."""
    from farthing.charts.visible import visible
    from farthing.stages.verify import verdict_file

    read = verdict_file.read_verdict(path)
    if as_json:
        print_json({"digest": read.digest, **read.said.model_dump(mode="json")})
    else:
        for line in read.said.lines():
            print(visible(line))
        print("its signature holds; whose key signed it, nothing in the file can show")
    return 0 if read.said.ok else 1
