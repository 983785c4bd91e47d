"""Cutting: a model that holds what one shape keeps of its supernet, and nothing else."""

from __future__ import annotations

from farthing.errors import ShapeError
from farthing.model.config import ModelConfig
from farthing.model.cut import cut_config, cut_tensors, expert_counts
from farthing.model.huggingface import check_layout
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer


def member_config(config: ModelConfig, shape: Shape) -> ModelConfig:
    """The sizes of a member in a layout that other tools read.

    Raises:
        ShapeError: top-k differs between layers, which no layout outside farthing can say, or
            every layer keeps one expert, between which no router chooses, or the model is a
            baseline with settings that no layout here knows.
    """
    check_layout(config)
    sizes = cut_config(config, shape)
    if sizes.num_experts == 1:
        raise ShapeError(
            f"the shape {shape} keeps one expert in each sparse layer: a router needs two to "
            "choose between, and other tools refuse the model",
            remedy="extract a shape with 2 experts or more, or run this one inside the supernet "
            "with `farthing generate --shape`",
        )
    return sizes.model_copy(update={"tie_embeddings": False})


def padding_parameters(config: ModelConfig, shape: Shape) -> int:
    """Parameters of the experts that only fill layers up to the widest one's count."""
    counts = expert_counts(shape)
    missing = sum(max(counts) - count for count in counts)
    return missing * (3 * config.hidden_dim * config.expert_dim + config.hidden_dim)


def cut(parent: Transformer, shape: Shape) -> Transformer:
    """The member `shape` of `parent` as a model of its own, on the CPU.

    Its experts stand in the order of their importance. Layers with fewer experts than the widest
    get zero experts that the router cannot select.

    Raises:
        ShapeError: see `member_config`.
    """
    sizes = member_config(parent.config, shape)
    member = Transformer(sizes, parent.vocab_size, parent.end_of_text)
    state = cut_tensors(parent.state_dict(), parent.config, parent.expert_ranking, shape)
    member.load_state_dict(state, strict=True)
    return member.eval()
