"""The whole flow in one verb."""

from __future__ import annotations

import shlex
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from farthing.cli.foresight import foresight_json, print_foresight
from farthing.cli.options import JsonOption, RecipeOption, SetOption, WorkspaceOption
from farthing.cli.output import (
    load_run,
    make_show,
    print_benchmarks,
    print_bill,
    print_json,
    print_scores,
    read_bill,
    write_reference_price,
)
from farthing.errors import CorpusError

if TYPE_CHECKING:
    from farthing.artifacts.benchmarks import BenchmarkMatrix
    from farthing.flow import RunConfig
    from farthing.model.config import ModelConfig
    from farthing.model.shape import Shape
    from farthing.model.supernet import Supernet
    from farthing.session import Session


def quickstart(
    workspace: WorkspaceOption = Path("quickstart"),
    recipe: RecipeOption = "quickstart",
    changes: SetOption = [],  # noqa: B006 - typer reads the default
    as_json: JsonOption = False,
) -> None:
    """The whole flow at small size: text, one elastic run, its family, three members, a report."""
    from farthing import flow
    from farthing.report.facts.samples import PROMPTS
    from farthing.report.run import write_report
    from farthing.session import open_session
    from farthing.stages.serve.continue_text import continue_text

    run = load_run(recipe, changes, workspace)
    write_reference_price(workspace)
    session = open_session(workspace, make_show(as_json))
    corpus = flow.run_curate(run, session)
    place = flow.run_train(run, corpus, session)
    _, supernet = flow.open_run(place)
    matrix = flow.run_evaluate(run.evaluate, run.name, supernet, corpus, session)
    benchmarks = _ask_sample(run, supernet, session)
    shapes = flow.spread_members(supernet, matrix)
    members = [flow.run_extract(shape, run.name, supernet, session) for shape in shapes]
    report = write_report(session.workspace, place.name)
    samples = {prompt.text: continue_text(supernet, prompt.text) for prompt in PROMPTS}
    bill = read_bill(session.workspace)
    if as_json:
        print_json(
            {
                "run": str(place),
                "members": [str(member) for member in members],
                "report": str(report.path),
                "scores": matrix.model_dump(mode="json"),
                "benchmarks": benchmarks.model_dump(mode="json") if benchmarks else None,
                "samples": samples,
                "bill": bill.to_json(),
                "foreseen": foresight_json(report.facts),
            }
        )
        return
    print_scores(matrix)
    if benchmarks:
        print_benchmarks(benchmarks)
    for prompt, text in samples.items():
        print(f"\n> {prompt}\n{prompt}{text}")
    print()
    print_foresight(report.facts)
    print_bill(bill)
    _print_members(members, report.path)
    _print_next(workspace, shapes[-1] if shapes else supernet.model.full_shape, run.model)


def _ask_sample(run: RunConfig, supernet: Supernet, session: Session) -> BenchmarkMatrix | None:
    from farthing import flow
    from farthing.stages.evaluate.benchmark_config import BenchmarkConfig

    try:
        asked = BenchmarkConfig(members=run.evaluate.members)
        return flow.run_benchmarks(asked, run.name, supernet, session)
    except CorpusError as error:
        # A recipe of one's own may have a context too short for these sentences.
        session.show.line(f"note      no benchmarks: {error.what}")
        return None


def _print_members(members: list[Path], report: Path) -> None:
    if members:
        print("\nMembers, each a Hugging Face model with its card:")
    for member in members:
        print(f"  {member}")
    print(f"The report, one file to open or to send:\n  {report}")


def _print_next(workspace: Path, shape: Shape, config: ModelConfig) -> None:
    # As it was called: it may stand in a virtual environment that is not on the path.
    called = Path(sys.argv[0])
    program = shlex.quote(str(called)) if called.name == "farthing" else "farthing"
    here = f"--workspace {shlex.quote(str(workspace))} --shape {shape.typed(config)}"
    print("What to try next:")
    print(f'  {program} generate {here} "Once upon a time"')
    if find_spec("gguf"):
        print(f"  {program} extract {here} --gguf F16    # for llama.cpp")
    print(f"  {program} verify --workspace {shlex.quote(str(workspace))}")
    print(f"  {program} recipes copy quickstart my-run.yaml    # then your own text: see README")
