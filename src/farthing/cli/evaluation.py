"""The verb that judges a family: on held-out text, or by benchmarks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farthing.cli.options import HERE, JsonOption, RerunOption, RunOption, WorkspaceOption
from farthing.cli.output import make_show, print_benchmarks, print_json, print_scores
from farthing.errors import UsageError

if TYPE_CHECKING:
    from farthing.flow import RunConfig
    from farthing.model.supernet import Supernet

_SAMPLE = "sample"


def evaluate(
    run: RunOption = None,
    workspace: WorkspaceOption = HERE,
    shapes: Annotated[
        list[str], typer.Option("--shape", help="Score this member; the recipe's if left out.")
    ] = [],  # noqa: B006
    split: Annotated[str | None, typer.Option(help="dev, or test: read once, for a claim.")] = None,
    benchmarks: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Ask the benchmarks whose JSONL files are in FOLDER instead of scoring text; "
            "`sample` for the few hundred questions that farthing carries.",
        ),
    ] = None,
    names: Annotated[
        list[str], typer.Option("--benchmark", help="Only this one, such as blimp; repeatable.")
    ] = [],  # noqa: B006
    limit: Annotated[
        int | None, typer.Option(min=2, help="Questions of each benchmark; all if left out.")
    ] = None,
    lm_eval_tasks: Annotated[
        Path | None,
        typer.Option(
            help="Write the same questions as task files for lm-eval into this new folder, and "
            "ask nothing."
        ),
    ] = None,
    rerun: RerunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score the members of a family in bits per byte on held-out text, or on benchmarks."""
    from farthing import flow
    from farthing.artifacts.workspace import Workspace

    if benchmarks is None and (names or limit is not None or lm_eval_tasks is not None):
        raise UsageError(
            "--benchmark, --limit and --lm-eval-tasks need --benchmarks FOLDER",
            remedy="for example: farthing evaluate --benchmarks sample",
        )
    if benchmarks is not None and split is not None:
        raise UsageError(
            "--split chooses held-out text, --benchmarks asks questions: one of them at a time",
            remedy="run farthing evaluate twice",
        )
    config, supernet = flow.open_run(flow.find_run(Workspace(workspace), run))
    if benchmarks is None:
        _score_text(config, supernet, workspace, shapes, split, rerun=rerun, as_json=as_json)
        return
    settings = {
        "members": shapes or config.evaluate.members,
        "folder": None if benchmarks == _SAMPLE else benchmarks,
        "benchmarks": names or None,
        "limit": limit,
    }
    if lm_eval_tasks is not None:
        _write_tasks(settings, supernet, lm_eval_tasks, as_json=as_json)
    else:
        _ask(settings, config.name, supernet, workspace, rerun=rerun, as_json=as_json)


def _score_text(
    config: RunConfig,
    supernet: Supernet,
    workspace: Path,
    shapes: list[str],
    split: str | None,
    *,
    rerun: bool,
    as_json: bool,
) -> None:
    from farthing import flow
    from farthing.artifacts.config import parse_config
    from farthing.artifacts.workspace import Workspace
    from farthing.session import open_session
    from farthing.stages.evaluate.config import EvaluateConfig

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


def _ask(
    settings: dict[str, Any],
    name: str,
    supernet: Supernet,
    workspace: Path,
    *,
    rerun: bool,
    as_json: bool,
) -> None:
    from farthing import flow
    from farthing.artifacts.config import parse_config
    from farthing.session import open_session
    from farthing.stages.evaluate.benchmark_config import BenchmarkConfig

    wanted = parse_config(BenchmarkConfig, settings, where="farthing evaluate")
    session = open_session(workspace, make_show(as_json))
    matrix = flow.run_benchmarks(wanted, name, supernet, session, rerun=rerun)
    if as_json:
        print_json(matrix.model_dump(mode="json"))
    else:
        print_benchmarks(matrix)


def _write_tasks(
    settings: dict[str, Any], supernet: Supernet, folder: Path, *, as_json: bool
) -> None:
    from farthing.artifacts.config import parse_config
    from farthing.stages.evaluate.benchmark_config import BenchmarkConfig
    from farthing.stages.evaluate.lm_eval_tasks import write_lm_eval_tasks

    wanted = parse_config(BenchmarkConfig, settings, where="farthing evaluate")
    tasks = write_lm_eval_tasks(wanted, supernet, folder)
    if as_json:
        print_json({"folder": str(folder), "tasks": tasks})
        return
    print(folder)
    print(
        "lm_eval run --model hf --model_args pretrained=MEMBER_FOLDER,dtype=float32 "
        "--device cpu --batch_size 16 "
        f"--include_path {folder} --tasks farthing",
    )
