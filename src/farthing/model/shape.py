"""`Shape`: which part of a supernet a sub-model keeps, with one canonical string and one hash.

    layers=0-3,7/experts=8/top_k=2          keeps 5 layers, the 8 best experts of each, top-2
    layers=0-7/experts=16,8,8,4,8,8,16/top_k=2,2,1,1,1,2,2      per sparse layer
    layers=0-7/experts=e0-3+9/top_k=1       names the expert ids instead of counting
    6L-8E-2K                                short form: 6 layers kept by `keep_layers`

A plain expert count means the prefix of that layer's stored importance ranking. `experts` and
`top_k` list one entry per *kept sparse* layer and fold into one entry when all are equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from farthing.artifacts.canonical import sha256_hex
from farthing.errors import ShapeError
from farthing.model.config import ModelConfig

Experts = int | tuple[int, ...]
EntryT = TypeVar("EntryT")

_SHORT = re.compile(r"(\d+)L(?:-(\d+)E-(\d+)K)?", re.IGNORECASE)
_MOST_IDS = 1 << 16
_FORMS = "write it as 6L-8E-2K or layers=0-3,7/experts=8/top_k=2"


@dataclass(frozen=True)
class Shape:
    """A sub-model: kept layer ids; experts and top-k of each kept sparse layer.

    Attributes:
        layers: ids of the kept layers, ascending.
        experts: per kept sparse layer a count (prefix of the importance ranking) or expert ids.
        top_k: per kept sparse layer, how many routed experts a token visits.
    """

    layers: tuple[int, ...]
    experts: tuple[Experts, ...]
    top_k: tuple[int, ...]

    @classmethod
    def full(cls, config: ModelConfig) -> Shape:
        """The whole supernet."""
        return cls.uniform(config, config.num_layers, config.num_experts, config.top_k)

    @classmethod
    def uniform(cls, config: ModelConfig, depth: int, experts: int, top_k: int) -> Shape:
        """`depth` layers chosen by `keep_layers`, the same experts and top-k in each.

        Raises:
            ShapeError: the supernet does not hold it.
        """
        layers = keep_layers(config, depth)
        sparse = sum(config.is_sparse(layer) for layer in layers)
        return cls(layers, (experts,) * sparse, (top_k,) * sparse).checked(config)

    @classmethod
    def parse(cls, text: str, config: ModelConfig) -> Shape:
        """Read the canonical or the short form.

        Raises:
            ShapeError: it cannot be read, or the supernet does not hold it.
        """
        if short := _SHORT.fullmatch(text.strip()):
            depth, count, k = short.groups()
            if count is None:
                return cls.uniform(config, int(depth), config.num_experts, config.top_k)
            layers = keep_layers(config, int(depth))
            experts: list[Experts] = [int(count)]
            top_k = [int(k)]
        else:
            layers, experts, top_k = _parse_fields(text)
        sparse = sum(config.is_sparse(layer) for layer in layers)
        return cls(layers, _spread(experts, sparse), _spread(top_k, sparse)).checked(config)

    def __str__(self) -> str:
        parts = [f"layers={_format_ids(self.layers, ',')}"]
        if self.experts:
            parts.append(f"experts={_fold([_format_experts(entry) for entry in self.experts])}")
            parts.append(f"top_k={_fold([str(k) for k in self.top_k])}")
        return "/".join(parts)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical string."""
        return sha256_hex(str(self).encode())

    def label(self, config: ModelConfig) -> str:
        """A short name for tables and folders: the short form wherever that means this shape."""
        return self._short_form(config) or f"{len(self.layers)}L-{self.digest[:6]}"

    def typed(self, config: ModelConfig) -> str:
        """The shortest text that `parse` reads as this shape."""
        return self._short_form(config) or str(self)

    def _short_form(self, config: ModelConfig) -> str | None:
        depth = len(self.layers)
        plain = len(set(self.experts)) <= 1 and len(set(self.top_k)) <= 1
        if plain and depth >= _fewest_layers(config) and self.layers == keep_layers(config, depth):
            if not self.experts:
                return f"{depth}L"
            if isinstance(self.experts[0], int):
                return f"{depth}L-{self.experts[0]}E-{self.top_k[0]}K"
        return None

    def checked(self, config: ModelConfig) -> Shape:
        """The shape itself, once it is known that the supernet holds it.

        Raises:
            ShapeError: naming the first entry that the supernet does not hold.
        """
        if not self.layers or not all(0 <= layer < config.num_layers for layer in self.layers):
            raise ShapeError(
                f"the shape {self} names layers outside 0-{config.num_layers - 1}",
                remedy=f"choose among the supernet's {config.num_layers} layers",
            )
        for ids in (self.layers, *self.experts):
            if not isinstance(ids, int) and list(ids) != sorted(set(ids)):
                raise ShapeError(
                    f"the ids {ids} are not ascending, each once",
                    remedy="sort them and drop repetitions: a shape has one canonical string",
                )
        every = tuple(range(config.num_experts))
        sparse = [layer for layer in self.layers if config.is_sparse(layer)]
        if not len(sparse) == len(self.experts) == len(self.top_k):
            raise ShapeError(
                f"the shape {self} lists {len(self.experts)} experts and {len(self.top_k)} top_k "
                f"entries for {len(sparse)} sparse layers",
                remedy="give one entry for all, or one per kept sparse layer",
            )
        for layer, experts, top_k in zip(sparse, self.experts, self.top_k, strict=True):
            _check_layer(layer, experts, top_k, config)
        # Naming every expert and counting them all is one sub-model: it gets one string.
        counted = tuple(
            config.num_experts if experts == every else experts for experts in self.experts
        )
        return self if counted == self.experts else Shape(self.layers, counted, self.top_k)

    def selection(self, layer: int, config: ModelConfig) -> tuple[Experts, int]:
        """The experts and top-k of a kept sparse layer."""
        position = sum(config.is_sparse(kept) for kept in self.layers if kept < layer)
        return self.experts[position], self.top_k[position]


def distinct_shapes(texts: Iterable[str], config: ModelConfig) -> list[Shape]:
    """Read several shapes.

    Raises:
        ShapeError: one cannot be read or is not held, or two are the same sub-model.
    """
    found: dict[Shape, str] = {}
    for text in texts:
        shape = Shape.parse(text, config)
        if shape in found:
            raise ShapeError(
                f"members {found[shape]!r} and {text!r} are the same shape",
                remedy="remove one of them",
            )
        found[shape] = text
    return list(found)


def keep_layers(config: ModelConfig, depth: int) -> tuple[int, ...]:
    """Which `depth` layers stay: dense, first and last ones always, the middle leaves first.

    Skipping inside the stack follows ERNIE 5.0 (arXiv 2602.04705, figure 4). Smaller depths
    keep subsets of what larger ones keep, so that members nest.

    Raises:
        ShapeError: more layers than there are, or fewer than always stay.
    """
    fewest = _fewest_layers(config)
    if not fewest <= depth <= config.num_layers:
        raise ShapeError(
            f"the supernet has {config.num_layers} layers, of which {fewest} always stay: "
            f"a depth of {depth} does not fit",
            remedy=f"choose a depth from {fewest} to {config.num_layers}",
        )
    return tuple(sorted(_keeping_order(config)[:depth]))


def skippable_layers(config: ModelConfig) -> tuple[int, ...]:
    """The layers a shape may leave out, in the order in which `keep_layers` does."""
    return tuple(reversed(_keeping_order(config)[_fewest_layers(config) :]))


def _fewest_layers(config: ModelConfig) -> int:
    leading = max(config.first_sparse_layer % config.num_layers, 1)
    return min(leading + 1, config.num_layers)


def _keeping_order(config: ModelConfig) -> list[int]:
    last = config.num_layers - 1
    # The leading dense layers stay with the first: they feed everything behind them.
    firm = list(range(max(config.first_sparse_layer % config.num_layers, 1)))
    firm += [last] if last not in firm else []
    middle = [layer for layer in range(config.num_layers) if layer not in firm]
    if not middle:
        return firm
    centre = (middle[0] + middle[-1]) / 2
    return firm + sorted(middle, key=lambda layer: (-abs(layer - centre), layer))


def _check_layer(layer: int, experts: Experts, top_k: int, config: ModelConfig) -> None:
    count = experts if isinstance(experts, int) else len(experts)
    held = (
        1 <= experts <= config.num_experts
        if isinstance(experts, int)
        else bool(experts) and all(0 <= expert < config.num_experts for expert in experts)
    )
    if not held:
        raise ShapeError(
            f"layer {layer} holds experts 0-{config.num_experts - 1}, "
            f"not experts={_format_experts(experts)}",
            remedy=f"choose at most {config.num_experts} of them",
        )
    if not 1 <= top_k <= count:
        raise ShapeError(
            f"top_k={top_k} does not fit layer {layer}, which keeps {count} experts",
            remedy=f"choose a top_k from 1 to {count}",
        )


def _parse_fields(text: str) -> tuple[tuple[int, ...], list[Experts], list[int]]:
    parts = [part.partition("=")[::2] for part in text.strip().split("/")]
    fields = dict(parts)
    known = {"layers"} <= fields.keys() <= {"layers", "experts", "top_k"}
    if not known or len(fields) < len(parts):
        raise ShapeError(f"cannot read the shape {text!r}", remedy=_FORMS)
    try:
        layers = tuple(sorted(set(_parse_ids(fields["layers"], ","))))
        experts = [_parse_experts(part) for part in _split(fields.get("experts"))]
        return layers, experts, [int(part) for part in _split(fields.get("top_k"))]
    except ValueError as error:
        raise ShapeError(f"cannot read the shape {text!r}: {error}", remedy=_FORMS) from error


def _split(text: str | None) -> list[str]:
    return text.split(",") if text else []


def _spread(entries: Sequence[EntryT], count: int) -> tuple[EntryT, ...]:
    # With no sparse layer to spread over, an entry stays, for `checked` to refuse.
    return tuple(entries) * count if len(entries) == 1 and count else tuple(entries)


def _fold(entries: list[str]) -> str:
    return entries[0] if len(set(entries)) == 1 else ",".join(entries)


def _parse_experts(text: str) -> Experts:
    if text.startswith("e"):
        return tuple(sorted(set(_parse_ids(text[1:], "+"))))
    return int(text)


def _format_experts(experts: Experts) -> str:
    return str(experts) if isinstance(experts, int) else f"e{_format_ids(experts, '+')}"


def _parse_ids(text: str, separator: str) -> list[int]:
    ids: list[int] = []
    for part in text.split(separator):
        first, dash, last = part.partition("-")
        if dash and not 0 <= int(last) - int(first) <= _MOST_IDS:
            raise ValueError(f"the range {part} runs backwards or is too long")
        ids += range(int(first), int(last) + 1) if dash else [int(first)]
    return ids


def _format_ids(ids: Sequence[int], separator: str) -> str:
    runs: list[list[int]] = []
    for item in ids:
        if runs and item == runs[-1][1] + 1:
            runs[-1][1] = item
        else:
            runs.append([item, item])
    return separator.join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)
