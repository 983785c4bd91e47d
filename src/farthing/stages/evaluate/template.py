"""From a line of a benchmark's file to the text that a model reads: templates with a few filters.

    Question: {question}
    Answer:                        {choices.text.0} is the first of a list, {{ and }} are braces

A field may pass through filters, left to right: `{premise|strip|without_last}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
# Where WinoGrande leaves the word out.
_BLANK = "_"

Filter = Callable[[str], str]
FILTERS: Mapping[str, Filter] = {
    "strip": str.strip,
    "capitalize": str.capitalize,
    "lower_first": lambda text: text[:1].lower() + text[1:],
    "without_last": lambda text: text[:-1],
    "spaces": lambda text: text.replace("_", " "),
    "before_blank": lambda text: text.partition(_BLANK)[0],
    "after_blank": lambda text: text.partition(_BLANK)[2],
    "stem": lambda text: PurePosixPath(text).stem,
}
# These two take what is no text: null, and a list of texts.
_OPTIONAL, _JOIN = "optional", "join"


class FieldError(ValueError):
    """A line has no such field, or something else than text in it."""


def field_paths(template: str) -> tuple[str, ...]:
    """The fields that `template` reads, in order.

    Raises:
        ValueError: a brace stands alone, a field has no name, or there is no such filter.
    """
    paths = []
    for match in _PIECE.finditer(template):
        if match[0] in ("{{", "}}"):
            continue
        path, *filters = (match[1] or "").split("|")
        if match[1] is None or not path:
            raise ValueError(f"{template!r}: a brace without a field; write {{{{ for a brace")
        for name in filters:
            if name not in FILTERS and name not in (_OPTIONAL, _JOIN):
                known = ", ".join([*FILTERS, _OPTIONAL, _JOIN])
                raise ValueError(f"{template!r}: no filter {name!r}; the filters are: {known}")
        paths.append(path)
    return tuple(paths)


def fill(template: str, row: Mapping[str, Any], words: Mapping[str, Mapping[str, str]]) -> str:
    """The text of `template` for one line.

    Args:
        template: checked by `field_paths`.
        row: the line.
        words: by field, what stands for its values.

    Raises:
        FieldError: the line has no such field, or something else than text in it.
    """

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        path, *filters = match[1].split("|")
        text = _text(look_up(row, path), path, filters)
        if path in words:
            if text not in words[path]:
                raise FieldError(f"{path!r} is {text!r:.60}, not one of {', '.join(words[path])}")
            text = words[path][text]
        for name in filters:
            text = FILTERS[name](text) if name in FILTERS else text
        return text

    return _PIECE.sub(replace, template)


def look_up(row: Mapping[str, Any], path: str) -> Any:  # noqa: ANN401 - any JSON value
    """What stands at `path`: names of keys and numbers of list entries, with dots between.

    Raises:
        FieldError: nothing stands there.
    """
    value: Any = row
    for name in path.split("."):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise FieldError(f"there is no field {path!r}")
    return value


def as_label(value: object) -> str:
    """A label as definitions write it: `true` and `false`, else the text or the number."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(value: object, path: str, filters: list[str]) -> str:
    if value is None and _OPTIONAL in filters:
        return ""
    if isinstance(value, list) and _JOIN in filters:
        return " ".join(_text(entry, path, []) for entry in value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise FieldError(f"{path!r} is {value!r:.60}, not text")
    return str(value)
