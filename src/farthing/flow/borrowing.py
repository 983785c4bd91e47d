"""A recipe whose model is the one that training starts from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from farthing.artifacts.config import parse_config
from farthing.artifacts.workspace import Workspace
from farthing.errors import ShapeError
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape
from farthing.stages.train.start.config import StartConfig

_PREFIX = "continued-"

Say = Callable[[str], None]


def take_sizes(data: dict[str, Any], workspace: Workspace, *, where: str) -> dict[str, Any]:
    """A recipe with a section `start` and without one `model`: the sizes come from the source.

    Args:
        data: the recipe as it was read; what it says about sizes is compared when it runs.
        workspace: where names of runs are looked up.
        where: the recipe's name, for messages.

    Raises:
        ConfigError, ShapeError, ArtifactError: no such model, or it does not hold the shape.
    """
    if data.get("start") is None or data.get("model") is not None:
        return data
    config = parse_config(StartConfig, data["start"], where=f"{where}: start")
    sizes = _sizes(config.from_, config, workspace)
    return {**data, "model": sizes.model_dump(mode="json")}


def borrow(
    data: dict[str, Any],
    place: str,
    shape: str | None,
    workspace: Workspace,
    say: Say,
    *,
    named: bool = False,
) -> dict[str, Any]:
    """A recipe made for another model, changed so that it trains on with the one in `place`.

    Its `model` gives way to the sizes found there (unless it grows), its lists of smaller sizes and
    its members to those that fit, and its name gets a mark, so that `place` is still found by its
    own. Every change is said.

    Args:
        data: the recipe as it was read.
        place: what to start from.
        shape: what to cut out of it; None for all.
        workspace: where names of runs are looked up.
        say: takes one line.
        named: whether the user has given the run a name, which then stays.

    Raises:
        ConfigError, ShapeError, ArtifactError: no such model, or it does not hold the shape.
    """
    start = {**(data.get("start") or {}), "from": place}
    start |= {"shape": shape} if shape is not None else {}
    config = parse_config(StartConfig, start, where="--from")
    sizes = _sizes(place, config, workspace)
    data = {**data, "start": start}
    name = data.get("name")
    if isinstance(name, str) and not named and not name.startswith(_PREFIX):
        data["name"] = f"{_PREFIX}{name}"
        say(f"note      the run is called {data['name']}: --set name=... changes that")
    if config.grow is not None:
        target = parse_config(ModelConfig, data.get("model"), where="model")
        return _with_members(data, target, say)
    found = sizes.model_dump(mode="json")
    if data.get("model") != found:
        say(
            f"note      sizes of the model: those of {place}, "
            f"{Shape.full(sizes).typed(sizes)}, instead of the recipe's"
        )
    data["model"] = found
    return _with_members(_with_smaller_sizes(data, sizes, say), sizes, say)


def _with_smaller_sizes(data: dict[str, Any], sizes: ModelConfig, say: Say) -> dict[str, Any]:
    """The recipe, whose elastic steps draw what is smaller than a model of these sizes."""
    train = data.get("train")
    if not isinstance(train, dict) or not isinstance(train.get("elastic"), dict):
        return data
    elastic = _smaller_sizes(train["elastic"], sizes)
    if elastic != train["elastic"]:
        say(f"note      train.elastic draws what is smaller than that: {_drawn(elastic)}")
    return {**data, "train": {**train, "elastic": elastic}}


def _with_members(data: dict[str, Any], sizes: ModelConfig, say: Say) -> dict[str, Any]:
    """The recipe with the members that a model of these sizes has, all of it among them."""
    judged = data.get("evaluate")
    if not isinstance(judged, dict) or not isinstance(judged.get("members"), list):
        return data
    members = _members(judged["members"], sizes)
    if set(members) != set(judged["members"]):
        say(f"note      members to be registered: {', '.join(members)}")
    return {**data, "evaluate": {**judged, "members": members}}


def _members(texts: list[str], sizes: ModelConfig) -> list[str]:
    """The full shape, and those of `texts` that a model of these sizes holds."""
    full = Shape.full(sizes)
    found = {full: full.typed(sizes)}
    for text in texts:
        try:
            found.setdefault(Shape.parse(str(text), sizes), str(text))
        except ShapeError:
            continue
    return list(found.values())


def _smaller_sizes(elastic: dict[str, Any], sizes: ModelConfig) -> dict[str, Any] | None:
    """Elastic settings that draw only what is smaller than the full size; None if nothing is."""
    axes = (
        ("depths", "depth_weights", "depth_probability", sizes.num_layers),
        ("expert_counts", "expert_count_weights", "experts_probability", sizes.num_experts),
        ("top_ks", "top_k_weights", "top_k_probability", sizes.top_k),
    )
    fitted = dict(elastic)
    for listed, weights, probability, full in axes:
        before = elastic.get(listed) or []
        kept = [place for place, size in enumerate(before) if size < full]
        if len(kept) < len(before):
            fitted[listed] = [before[place] for place in kept]
            if elastic.get(weights) is not None:
                fitted[weights] = [elastic[weights][place] for place in kept] or None
            if not kept:
                fitted[probability] = 0.0
    before = elastic.get("sizes") or []
    held = set(_members([str(text) for text in before], sizes)[1:])
    kept = [place for place, text in enumerate(before) if str(text) in held]
    if len(kept) < len(before):
        fitted["sizes"] = [before[place] for place in kept]
        if (shares := elastic.get("size_weights")) is not None:
            fitted["size_weights"] = [shares[place] for place in kept] or None
        if not kept:
            fitted |= {probability: 0.0 for *_, probability, _ in axes}
    sparse = sizes.num_layers - sizes.first_sparse_layer
    if (fitted.get("restricted_layers") or 0) > sparse:
        fitted["restricted_layers"] = sparse or None
    lists = ("sizes", *(listed for listed, *_ in axes))
    something = fitted.get("layer_dropout") or any(fitted.get(listed) for listed in lists)
    return fitted if something else None


def _drawn(elastic: dict[str, Any] | None) -> str:
    if elastic is None:
        return "nothing, so every step trains all of it"
    axes = ("depths", "expert_counts", "top_ks", "sizes")
    named = [f"{name} {elastic[name]}" for name in axes if elastic.get(name)]
    return ", ".join(named) or "single layers"


def _sizes(place: str, config: StartConfig, workspace: Workspace) -> ModelConfig:
    # Only who starts from a model waits for torch.
    from farthing.flow.start import open_source
    from farthing.stages.train.start.begin import start_sizes

    return start_sizes(open_source(place, workspace), config.shape)[1]
