"""The verb that makes a corpus: curate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farthing.cli.options import (
    HERE,
    JsonOption,
    RecipeOption,
    RerunOption,
    SetOption,
    WorkspaceOption,
)
from farthing.cli.output import load_run, make_show, print_json
from farthing.errors import UsageError

if TYPE_CHECKING:
    from farthing.artifacts.curation import Contamination, FunnelStep
    from farthing.artifacts.workspace import Workspace
    from farthing.text.corpus import Corpus

_REASONS_SHOWN = 3
_FILES_SHOWN = 10
_EXPORTS = ("megatron", "numpy")

ShardOption = Annotated[
    str | None,
    typer.Option(
        help="Only measure shard i/N, such as 0/4: run one on each machine that shares the "
        "workspace, then the same command without it."
    ),
]
CleanOption = Annotated[
    bool,
    typer.Option(
        help="Make nothing; remove what interrupted runs of any settings left in the workspace, "
        "unless some process is at work there."
    ),
]


def curate(
    recipe: RecipeOption = "quickstart",
    workspace: WorkspaceOption = HERE,
    changes: SetOption = [],  # noqa: B006
    shard: ShardOption = None,
    ablate: Annotated[
        bool,
        typer.Option(
            help="Measure what each step is worth: train small models on the raw, filtered, "
            "deduplicated, scored and mixed text. With a recipe such as worth-small."
        ),
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, help="With --ablate: models trained at a time.")] = 1,
    export: Annotated[
        str | None,
        typer.Option(help="Also write the tokens for other trainers: megatron or numpy."),
    ] = None,
    to: Annotated[Path | None, typer.Option(help="With --export: the folder to write.")] = None,
    clean: CleanOption = False,
    rerun: RerunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Turn raw documents into a clean, tokenised corpus with a paper trail.

    What is read, and how: --set corpus.sources=[data/] and the other settings under `corpus`:
    docs/curation.md. An interrupted run goes on where it was.
    """
    _check_export(export, to)
    if clean:
        _clean(workspace, as_json=as_json)
        return
    if ablate:
        from farthing.cli.ablate import ablate as measure_worth

        measure_worth(recipe, workspace, changes, jobs=jobs, as_json=as_json)
        return
    from farthing import flow
    from farthing.session import open_session

    run = load_run(recipe, changes, workspace)
    session = open_session(workspace, make_show(as_json))
    if shard is not None:
        from farthing.execution.run import parse_shard

        count = flow.run_curate_shard(run, session, parse_shard(shard))
        print_json({"pieces": count}) if as_json else print(f"{count} pieces measured")
        return
    corpus = flow.run_curate(run, session, rerun=rerun)
    if export is not None and to is not None:
        flow.export_corpus(corpus, export, to)
    _print_corpus(corpus, as_json=as_json)
    if not as_json:
        _say_what_is_left(session.workspace)


def _clean(root: Path, *, as_json: bool) -> None:
    from farthing.artifacts.workspace import Workspace
    from farthing.flow.unfinished import remove_unfinished

    removed, in_use = remove_unfinished(Workspace(root))
    if as_json:
        told = {"removed": removed, "in_use": in_use}
        print_json(
            {
                name: [{"folder": str(each.folder), "bytes": each.bytes} for each in found]
                for name, found in told.items()
            }
        )
        return
    for each in removed:
        print(f"removed {each.folder}: {each.bytes / 1e6:,.1f} MB")
    for each in in_use:
        print(f"left    {each.folder}: a process is at work there")
    if not removed and not in_use:
        print("nothing is left of interrupted runs")


def _say_what_is_left(workspace: Workspace) -> None:
    """One line where interrupted runs of other settings take room."""
    from farthing.flow.unfinished import find_unfinished

    left = [each for each in find_unfinished(workspace) if not each.in_use]
    if left:
        size = sum(each.bytes for each in left)
        print(
            f"note: interrupted runs of other settings take {size / 1e6:,.1f} MB in "
            f"{left[0].folder.parent} (folders: {len(left)}); farthing curate --clean removes them"
        )


def _check_export(export: str | None, to: Path | None) -> None:
    if export not in (None, *_EXPORTS) or (export is None) != (to is None):
        raise UsageError(
            f"--export {export or ''} --to {to or ''}: a format and a folder belong together",
            remedy=f"write for example --export {_EXPORTS[0]} --to tokens; the formats are: "
            f"{', '.join(_EXPORTS)}",
        )


def _print_corpus(corpus: Corpus, *, as_json: bool) -> None:
    from farthing.artifacts.trail import read_trail

    detail = {"corpus": str(corpus.directory), "digest": corpus.digest, **corpus.manifest.detail}
    if as_json:
        print_json(detail)
        return
    trail = read_trail(corpus.directory)
    for step in trail.funnel.steps if trail is not None else ():
        _print_step(step)
    _print_files(corpus.directory, detail.get("refused", {}))
    if trail is not None and trail.contamination is not None:
        _print_not_looked_for(trail.contamination)
    _print_amounts(detail)
    print(corpus.directory)


def _print_step(step: FunnelStep) -> None:
    """One step that did something, with its commonest reasons."""
    if not step.gone.documents and not step.changed_bytes:
        return
    print(
        f"{step.name:<13} {step.entered.documents:>9,} -> {step.left.documents:>9,} documents  "
        f"{step.entered.bytes / 1e6:>9,.1f} -> {step.left.bytes / 1e6:>9,.1f} MB"
    )
    reasons = list(step.reasons().items())
    for reason, amount in reasons[:_REASONS_SHOWN]:
        print(f"{'':<13} {amount.documents:>9,} {reason}")
    if others := reasons[_REASONS_SHOWN:]:
        rest = sum(amount.documents for _, amount in others)
        print(f"{'':<13} {rest:>9,} for {len(others)} other reasons")


def _print_files(directory: Path, refused: dict[str, int]) -> None:
    """A line for each file that was not whole: what it lacks is in no step's figures."""
    from farthing.documents.refused import REFUSED_NAME, count_files, files_not_whole

    listed = files_not_whole(directory)[:_FILES_SHOWN]
    for each in listed:
        print(f"note: {each.what}")
    if more := count_files(refused) - len(listed):
        print(
            f"note: {more:,} more files are empty, cut short or followed by something else: "
            f"{directory / REFUSED_NAME}"
        )


def _print_not_looked_for(contamination: Contamination) -> None:
    unseen = {each.benchmark: each.not_looked_for for each in contamination.benchmarks}
    if count := sum(unseen.values()):
        items = sum(each.items for each in contamination.benchmarks)
        named = ", ".join(f"{name} {number:,}" for name, number in unseen.items() if number)
        print(f"not looked for {count:,} of {items:,} evaluation items, under five words: {named}")


def _print_amounts(detail: dict[str, Any]) -> None:
    for split, domains in detail["splits"].items():
        for domain, count in domains.items():
            if count["documents"]:
                print(
                    f"{split:<6} {domain:<8} {count['documents']:>8,} documents "
                    f"{count['bytes']:>12,} bytes {count['tokens']:>12,} tokens"
                    f"{_quality(detail, split, domain)}"
                )
    if flagged := sum(detail["flagged"].values()):
        print(f"left alone {flagged:,} documents that a step would drop: their side was given")


def _quality(detail: dict[str, Any], split: str, stream: str) -> str:
    part = detail.get("streams", {}).get(stream)
    if part is None or split != "train":
        return ""
    return f"  quality {part['least_quality']:.3g} to {part['most_quality']:.3g}"
