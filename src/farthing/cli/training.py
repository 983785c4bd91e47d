"""The verb that makes a family: train."""

from __future__ import annotations

from farthing.cli.options import (
    HERE,
    CutOption,
    FromOption,
    JsonOption,
    RecipeOption,
    RerunOption,
    SetOption,
    WorkspaceOption,
)
from farthing.cli.output import load_run, make_show, print_json
from farthing.errors import UsageError


def train(
    recipe: RecipeOption = "quickstart",
    workspace: WorkspaceOption = HERE,
    changes: SetOption = [],  # noqa: B006
    source: FromOption = None,
    shape: CutOption = None,
    rerun: RerunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train one elastic run; the same command resumes an interrupted one.

    With --from it starts from a trained model instead of random weights: the sizes come from
    there, everything else from the recipe. --set start.grow.layers=stack (or experts=copy) makes
    it larger, --set start.optimizer=carried keeps the optimizer's state: docs/elastic.md. --set
    inherit.share=0.5 signs how much of that model's cost this run's members carry: docs/bill.md.
    """
    from farthing import flow
    from farthing.session import open_session

    if shape is not None and source is None:
        raise UsageError(
            "--shape says what to cut out of the model that --from names",
            remedy="add --from RUN; or, in a recipe of your own, set start.shape",
        )
    run = load_run(recipe, changes, workspace, place=source, shape=shape)
    session = open_session(workspace, make_show(as_json))
    place = flow.run_train(run, flow.run_curate(run, session), session, rerun=rerun)
    _, supernet = flow.open_run(place)
    if as_json:
        print_json({"run": str(place), "digest": supernet.digest, **supernet.origin})
    else:
        print(place)
