"""The verbs.

A thin skin. Every verb imports what it needs when it runs: `flow` brings torch, and `--help` must
not wait for it. Results go to stdout, everything else to stderr; `--json` prints one object.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from farthing.cli.output import (
    load_run,
    make_show,
    print_bill,
    print_error,
    print_json,
    print_scores,
    read_bill,
    write_reference_price,
)
from farthing.errors import FarthingError, InterruptedRunError, UsageError, WorkspaceError

app = typer.Typer(
    name="farthing",
    help="One elastic pre-training run, a family of language models, and a checkable bill.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
recipes_app = typer.Typer(help="List, show and copy recipes.", no_args_is_help=True)
app.add_typer(recipes_app, name="recipes")

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", "-w", help="The directory with book, corpora and runs.")
]
RecipeOption = Annotated[
    str, typer.Option("--recipe", "-r", help="A recipe's name, or a .yaml file of your own.")
]
SetOption = Annotated[
    list[str], typer.Option("--set", help="Change a setting: --set train.steps=200.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
RerunOption = Annotated[bool, typer.Option("--rerun", help="Make it again even if it is there.")]
RunOption = Annotated[
    str | None, typer.Option("--run", help="A folder under runs/; its start is enough.")
]
ShapeOption = Annotated[
    str | None,
    typer.Option("--shape", help="A member, as 4L-8E-2K; the whole supernet if left out."),
]

_HERE = Path()
_INTERRUPTED = 130
# The quick start cuts out the best member with at most this share of the largest one's size.
_SMALL_SHARE = 0.5
_QUICKSTART_PROMPTS = ("It was a dark night, and the old man", "却说那日天色已晚")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    0 ok, 1 failed check, 2 usage, 3 foreseen error, 75 stopped with a checkpoint saved, 130
    interrupted where there was nothing to save.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in arguments
    try:
        result = app(arguments, standalone_mode=False)
        return int(result or 0)
    except FarthingError as error:
        return print_error(error, as_json=as_json)
    except (typer.Abort, KeyboardInterrupt):
        # Training catches the signal itself; elsewhere finished work is reused by the next command.
        stopped = InterruptedRunError(
            "interrupted", remedy="run the same command again: what is finished is reused"
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


@app.command()
def quickstart(
    workspace: WorkspaceOption = Path("quickstart"),
    recipe: RecipeOption = "quickstart",
    changes: SetOption = [],  # noqa: B006 - typer reads the default
    as_json: JsonOption = False,
) -> None:
    """The whole flow at small size: text, one elastic run, its family, samples and the bill."""
    from farthing import flow
    from farthing.model.shape import Shape
    from farthing.session import open_session
    from farthing.stages.serve.continue_text import continue_text

    run = load_run(recipe, changes)
    write_reference_price(workspace)
    session = open_session(workspace, make_show(as_json))
    corpus = flow.run_curate(run, session)
    place = flow.run_train(run, corpus, session)
    _, supernet = flow.open_run(place)
    matrix = flow.run_evaluate(run.evaluate, run.name, supernet, corpus, session)
    best = Shape.parse(matrix.best_within(_SMALL_SHARE).shape, supernet.model.config)
    member = flow.run_extract(best, run.name, supernet, session)
    samples = [continue_text(flow.open_model(member), prompt) for prompt in _QUICKSTART_PROMPTS]
    bill = read_bill(session.workspace)
    if as_json:
        print_json(
            {
                "run": str(place),
                "member": str(member),
                "scores": matrix.model_dump(mode="json"),
                "samples": samples,
                "bill": bill.to_json(),
            }
        )
        return
    print_scores(matrix)
    print(f"\nA member of its own: {member}")
    for prompt, text in zip(_QUICKSTART_PROMPTS, samples, strict=True):
        print(f"\n> {prompt}\n{prompt}{text}")
    print()
    print_bill(bill)


@app.command()
def curate(
    recipe: RecipeOption = "quickstart",
    workspace: WorkspaceOption = _HERE,
    changes: SetOption = [],  # noqa: B006
    rerun: RerunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Turn raw documents into a tokenised corpus with provenance."""
    from farthing import flow
    from farthing.session import open_session

    run = load_run(recipe, changes)
    session = open_session(workspace, make_show(as_json))
    corpus = flow.run_curate(run, session, rerun=rerun)
    detail = {"corpus": str(corpus.directory), "digest": corpus.digest, **corpus.manifest.detail}
    if as_json:
        print_json(detail)
        return
    for split, domains in detail["splits"].items():
        for domain, count in domains.items():
            print(
                f"{split:<6} {domain:<8} {count['documents']:>8,} documents "
                f"{count['bytes']:>12,} bytes {count['tokens']:>12,} tokens"
            )
    for reason, dropped in detail["dropped"].items():
        print(f"dropped {dropped:,}: {reason}")
    print(corpus.directory)


@app.command()
def train(
    recipe: RecipeOption = "quickstart",
    workspace: WorkspaceOption = _HERE,
    changes: SetOption = [],  # noqa: B006
    rerun: RerunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train one elastic run; the same command resumes an interrupted one."""
    from farthing import flow
    from farthing.session import open_session

    run = load_run(recipe, changes)
    session = open_session(workspace, make_show(as_json))
    place = flow.run_train(run, flow.run_curate(run, session), session, rerun=rerun)
    _, supernet = flow.open_run(place)
    if as_json:
        print_json({"run": str(place), "digest": supernet.digest, **supernet.origin})
    else:
        print(place)


@app.command()
def evaluate(
    run: RunOption = None,
    workspace: WorkspaceOption = _HERE,
    shapes: Annotated[
        list[str], typer.Option("--shape", help="Score this member; the recipe's if left out.")
    ] = [],  # noqa: B006
    split: Annotated[str | None, typer.Option(help="dev, or test: read once, for a claim.")] = None,
    rerun: RerunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score the members of a family in bits per byte on held-out text."""
    from farthing import flow
    from farthing.artifacts.config import parse_config
    from farthing.artifacts.workspace import Workspace
    from farthing.session import open_session
    from farthing.stages.evaluate.config import EvaluateConfig

    config, supernet = flow.open_run(flow.find_run(Workspace(workspace), run))
    settings = config.evaluate.model_dump(mode="json")
    settings |= {"members": shapes} if shapes else {}
    settings |= {"split": split} if split else {}
    wanted = parse_config(EvaluateConfig, settings, where="farthing evaluate")
    corpus = flow.corpus_of(supernet, Workspace(workspace))
    session = open_session(workspace, make_show(as_json))
    matrix = flow.run_evaluate(wanted, config.name, supernet, corpus, session, rerun=rerun)
    if as_json:
        print_json(matrix.model_dump(mode="json"))
    else:
        print_scores(matrix)


@app.command()
def extract(
    shape: Annotated[str, typer.Option("--shape", help="The member to cut out, as 4L-8E-2K.")],
    run: RunOption = None,
    workspace: WorkspaceOption = _HERE,
    rerun: RerunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Cut a member out of its supernet as a model of its own."""
    from farthing import flow
    from farthing.artifacts.workspace import Workspace
    from farthing.model.shape import Shape
    from farthing.session import open_session

    config, supernet = flow.open_run(flow.find_run(Workspace(workspace), run))
    wanted = Shape.parse(shape, supernet.model.config)
    session = open_session(workspace, make_show(as_json))
    place = flow.run_extract(wanted, config.name, supernet, session, rerun=rerun)
    if as_json:
        print_json({"member": str(place), "shape": str(wanted)})
    else:
        print(place)


@app.command()
def generate(
    prompt: Annotated[str, typer.Argument(help="The beginning of the text.")] = "",
    run: RunOption = None,
    workspace: WorkspaceOption = _HERE,
    model: Annotated[
        Path | None, typer.Option(help="The folder of a run or an extracted member.")
    ] = None,
    shape: ShapeOption = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="At most this many new tokens.")] = 100,
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the likeliest token.")] = 0.8,
    top_p: Annotated[
        float, typer.Option(min=0.01, max=1, help="Sample among the likeliest, up to this share.")
    ] = 0.95,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same text.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Let any member of a family continue a text. Not a run: it does not enter the book."""
    from farthing import flow
    from farthing.artifacts.workspace import Workspace
    from farthing.stages.serve.continue_text import continue_text

    opened = flow.open_model(model or flow.find_run(Workspace(workspace), run))
    text = continue_text(
        opened,
        prompt,
        shape=shape,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
    )
    if as_json:
        print_json({"model": str(opened.directory), "prompt": prompt, "text": text})
    else:
        print(prompt + text)


@app.command()
def bill(workspace: WorkspaceOption = _HERE, as_json: JsonOption = False) -> None:
    """Add up what everything in a workspace cost, failed and killed runs included."""
    from farthing.artifacts.workspace import Workspace

    made = read_bill(Workspace(workspace))
    if as_json:
        print_json(made.to_json())
    else:
        print_bill(made)


@app.command()
def verify(
    workspace: WorkspaceOption = _HERE,
    head: Annotated[
        str | None, typer.Option(help="The book's last digest, as you noted it.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(help="The book's entries, as you noted them.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Check the book, the journals and the artifacts; exit code 1 if anything is wrong."""
    from farthing.artifacts.workspace import Workspace
    from farthing.stages.verify.run import verify_workspace

    verdict = verify_workspace(Workspace(workspace), head=head, count=count)
    if as_json:
        print_json(verdict.to_json())
    else:
        for finding in verdict.findings:
            mark = "ok   " if finding.ok else "WRONG"
            print(f"{mark} {finding.check}: {finding.detail} ({finding.where})")
    return 0 if verdict.ok else 1


@recipes_app.command("list")
def recipes_list(as_json: JsonOption = False) -> None:
    """The recipes that ship with farthing."""
    from farthing.recipes.loader import list_recipes

    found = list_recipes()
    if as_json:
        print_json({"recipes": [vars(info) for info in found]})
        return
    for info in found:
        print(f"{info.name:<14}{info.summary}")


@recipes_app.command("show")
def recipes_show(name: str, as_json: JsonOption = False) -> None:
    """The YAML of one recipe."""
    from farthing.recipes.loader import recipe_text

    text = recipe_text(name)
    if as_json:
        print_json({"name": name, "text": text})
    else:
        print(text, end="")


@recipes_app.command("copy")
def recipes_copy(name: str, target: Path, as_json: JsonOption = False) -> None:
    """Copy a recipe to a file or folder, to change it."""
    from farthing.recipes.loader import copy_recipe

    file = copy_recipe(name, target)
    if as_json:
        print_json({"file": str(file)})
    else:
        print(file)


if __name__ == "__main__":
    raise SystemExit(main())
