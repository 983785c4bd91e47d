"""The command line: `main`, and which verbs there are.

A thin skin. Every verb imports what it needs when it runs: `flow` brings torch, and `--help` must
not wait for it. Results go to stdout, everything else to stderr; `--json` prints one object.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from farthing import __version__
from farthing.cli.accounts import bill, report
from farthing.cli.bench import bench
from farthing.cli.claim import claim_app
from farthing.cli.compare import compare
from farthing.cli.curation import curate
from farthing.cli.enter import enter_app
from farthing.cli.evaluation import evaluate
from farthing.cli.hardware import hardware_app
from farthing.cli.headstart import headstart
from farthing.cli.members import extract, generate
from farthing.cli.output import print_error
from farthing.cli.plan import plan
from farthing.cli.quickstart import quickstart
from farthing.cli.recipes import recipes_app
from farthing.cli.search import search
from farthing.cli.training import train
from farthing.cli.verify import verify
from farthing.errors import FarthingError, InterruptedRunError, UsageError, WorkspaceError

app = typer.Typer(
    name="farthing",
    help="One elastic pre-training run, a family of language models, and a checkable bill.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
verbs = (
    quickstart,
    plan,
    bench,
    curate,
    train,
    evaluate,
    compare,
    headstart,
    search,
    extract,
    generate,
    bill,
    verify,
    report,
)
for verb in verbs:
    app.command()(verb)
app.add_typer(claim_app, name="claim")
app.add_typer(enter_app, name="enter")
app.add_typer(recipes_app, name="recipes")
app.add_typer(hardware_app, name="hardware")

_INTERRUPTED = 130


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"farthing {__version__}")
        raise typer.Exit


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    0 ok, 1 failed check, 2 usage, 3 foreseen error, 75 stopped with a checkpoint saved, 130
    interrupted where there was nothing to save.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in arguments
    try:
        result = app(arguments, standalone_mode=False)
        if result == _INTERRUPTED:
            # Typer takes the signal for itself and returns this code without a word.
            raise KeyboardInterrupt
        return int(result or 0)
    except FarthingError as error:
        return print_error(error, as_json=as_json)
    except (typer.Abort, KeyboardInterrupt):
        # Training catches the signal itself; elsewhere finished work is reused by the next command.
        stopped = InterruptedRunError(
            "interrupted", remedy="run the same command again: runs that are finished are reused"
        )
        print_error(stopped, as_json=as_json)
        return _INTERRUPTED
    except OSError as error:
        refused = WorkspaceError(
            f"{error.filename or 'a file'}: {error.strerror or error}",
            remedy="check that the file is there and may be read by you",
        )
        return print_error(refused, as_json=as_json)
    except Exception as error:
        # Typer's own usage errors carry their text and exit code; anything else is a bug to see.
        message, code = getattr(error, "format_message", None), getattr(error, "exit_code", None)
        if message is None or code is None:
            raise
        print_error(UsageError(message(), remedy="see --help"), as_json=as_json)
        return int(code)


if __name__ == "__main__":
    raise SystemExit(main())
