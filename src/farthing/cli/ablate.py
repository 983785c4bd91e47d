"""What `farthing curate --ablate` does: trains on each version of the text, says what it saw."""

from __future__ import annotations

from pathlib import Path

from farthing.cli.options import typed_command
from farthing.cli.output import make_show, print_json, print_table


def ablate(recipe: str, workspace: Path, changes: list[str], *, jobs: int, as_json: bool) -> None:
    """Measure what each step of curation is worth; goes on where it was stopped.

    Args:
        recipe: its name or file; section `worth` says which arms and seeds.
        workspace: in which the texts and models are made.
        changes: of settings, as `--set` takes them.
        jobs: models trained at a time.
        as_json: print every cell instead of tables.
    """
    from farthing.recipes.loader import load_recipe
    from farthing.session import open_session
    from farthing.studies.worth.config import WorthConfig
    from farthing.studies.worth.run import measure_worth
    from farthing.studies.worth.table import worth_table
    from farthing.studies.worth.verdict import sentences

    config = load_recipe(recipe, changes, WorthConfig)
    session = open_session(workspace, make_show(as_json))
    command = typed_command("curate", "--ablate", recipe=recipe, changes=changes)
    made = measure_worth(config, session, jobs=jobs, command=command)
    if as_json:
        print_json(made.to_json())
        return
    print_table(worth_table(made.worth))
    for sentence in sentences(made.worth):
        print(f"- {sentence}")
    print(made.directory)
