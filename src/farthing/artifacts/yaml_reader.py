"""YAML as recipes and settings use it: what looks like a number is one, nothing is silent.

PyYAML reads YAML 1.1, which surprises people: `1e-3` is a string, `no` is false, `010` is eight,
`12:30` is 750, and of two equal keys the last one wins. Here `1e-3` is a number, only `true` and
`false` are booleans, the other three are strings (which strict settings refuse), and a key that
stands twice is an error. An alias would make the written text something else than the one that
counts, and a few lines of aliases fill the memory, so `*name` is an error too.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from farthing.errors import ConfigError

_PLAIN_SCALARS = (
    ("tag:yaml.org,2002:null", r"~|null|", ["~", "n", ""]),
    ("tag:yaml.org,2002:bool", r"true|false", list("tf")),
    ("tag:yaml.org,2002:int", r"[-+]?(?:0|[1-9][0-9_]*)", list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"""[-+]?(?:0|[1-9][0-9_]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?
           |[-+]?(?:0|[1-9][0-9_]*)\.?(?:[eE][-+]?[0-9]+)?
           |[-+]?\.inf|\.nan""",
        list("-+0123456789."),
    ),
)


class _StrictLoader(yaml.SafeLoader):
    """A `SafeLoader` with the rules of this module's docstring."""

    # Not PyYAML's table, which every other loader in the process shares.
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # noqa: ANN401
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(
                None, None, "an alias (*name) is not allowed: write the value out", mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, yaml.Mark] = {}
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                continue  # Not hashable: the parent class says so.
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None,
                    None,
                    f"the key {key_node.value!r} stands twice, first in line "
                    f"{seen[key_node.value].line + 1}",
                    key_node.start_mark,
                )
            seen[key_node.value] = key_node.start_mark
        return super().construct_mapping(node, deep=deep)


for _tag, _pattern, _first in _PLAIN_SCALARS:
    _StrictLoader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$", re.X), _first)


_CORRECT_IT = "correct the YAML there"


def read_yaml(text: str, *, where: str, remedy: str = _CORRECT_IT) -> Any:  # noqa: ANN401
    """The value that `text` says.

    Args:
        text: one YAML document.
        where: the file or option it came from, for the message.
        remedy: what to do about wrong YAML.

    Raises:
        ConfigError: with line and column, for text that is not YAML or breaks the rules above.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)  # A SafeLoader: it makes plain values only.
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        raise ConfigError(
            f"{where}, line {line}, column {column}: {error.reason}",
            remedy="remove that character; YAML is plain text",
        ) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(
            f"{where}{place}: {error.problem or error.context}",
            remedy=remedy,
        ) from error
    except RecursionError as error:
        raise ConfigError(f"{where}: brackets nest too deeply", remedy=remedy) from error
    except ValueError as error:
        # An integer of thousands of digits, which Python refuses to read.
        raise ConfigError(f"{where}: {error}", remedy=remedy) from error
