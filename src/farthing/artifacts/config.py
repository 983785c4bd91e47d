"""Settings: frozen, strict, described field by field, with errors that help.

Every settings class of the project derives from `Config`; `parse_config` is the only way in from
YAML, so that a wrong key is always met by the keys that exist and the nearest of them.
"""

from __future__ import annotations

import difflib
import json
import types
import typing
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Tag, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from farthing.errors import ConfigError


class Config(BaseModel):
    """Base of all settings: frozen, no unknown keys, no NaN, defaults checked like values."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
        # YAML tells numbers from strings; a quoted number is a mistake worth hearing about.
        strict=True,
    )


ConfigT = TypeVar("ConfigT", bound=Config)


def parse_config(cls: type[ConfigT], data: Any, *, where: str) -> ConfigT:  # noqa: ANN401
    """Check plain YAML data against `cls`.

    Args:
        cls: the settings class.
        data: what the YAML parser returned.
        where: the file (and overrides) it came from, for the message.

    Raises:
        ConfigError: naming the first wrong key or value and what would be right.
    """
    if not isinstance(data, dict):
        raise ConfigError(
            f"{where}: expected keys and values, found {type(data).__name__}",
            remedy=f"start from these keys: {', '.join(_fields(cls))}",
        )
    try:
        # JSON mode: lists become the tuples that frozen settings hold, numbers stay numbers.
        return cls.model_validate_json(_to_json(data, where))
    except ValidationError as error:
        every = error.errors()
        # A misspelt key is unknown and leaves another one missing: the first says what to mend.
        unknown = (detail for detail in every if detail["type"] == "extra_forbidden")
        raise _explain(cls, next(unknown, every[0]), where, len(every)) from error


def _to_json(data: dict[Any, Any], where: str) -> str:
    try:
        return json.dumps(data, allow_nan=True)
    except TypeError as error:
        raise ConfigError(
            f"{where}: {error}", remedy="use plain numbers, strings, lists and keys"
        ) from error


def _explain(cls: type[Config], detail: ErrorDetails, where: str, count: int) -> ConfigError:
    inner, shown = _place(cls, detail["loc"])
    dotted = ".".join(map(str, shown))
    more = f" (and {count - 1} more)" if count > 1 else ""
    if detail["type"] == "extra_forbidden":
        keys = list(_fields(inner))
        near = difflib.get_close_matches(str(shown[-1]), keys, n=1, cutoff=0.0)
        return ConfigError(
            f"{where}: there is no setting {dotted!r}{more}",
            remedy=f"did you mean {near[0]!r}? The keys here are: {', '.join(keys)}",
        )
    described = _described(inner, shown)
    if detail["type"] == "missing":
        return ConfigError(
            f"{where}: the setting {dotted!r} is missing{more}", remedy=described or "add it"
        )
    # A whole group of settings that contradict each other stands in the file: naming it will do.
    given = "" if isinstance(detail["input"], dict) else f" = {detail['input']!r}"
    named = f"{dotted}{given}: " if dotted or given else ""
    said = detail["msg"].removeprefix("Value error, ")
    return ConfigError(
        f"{where}: {named}{said}{more}",
        remedy=described or ("correct the value" if given else "correct it there"),
    )


def _fields(cls: type[Config]) -> dict[str, FieldInfo]:
    """The settings of a class under the names that YAML uses for them."""
    return {field.alias or name: field for name, field in cls.model_fields.items()}


def _place(cls: type[Config], loc: Sequence[int | str]) -> tuple[type[Config], list[int | str]]:
    """The class that the last part of a location belongs to, and the location as YAML shows it.

    Keys of a mapping (a domain, a price basis) are no fields, and the tag of a form that a setting
    may take is no key.
    """
    shown: list[int | str] = []
    forms: dict[str, type[Config]] = {}
    inside = cls
    for part in loc:
        if isinstance(part, str) and part in forms:
            inside, forms = forms[part], {}
            continue
        cls = inside
        shown.append(part)
        field = _fields(cls).get(part) if isinstance(part, str) else None
        if field is not None:
            inside, forms = _config_in(field.annotation) or cls, dict(_tagged(field.annotation))
    return cls, shown


def _tagged(annotation: Any) -> Iterator[tuple[str, type[Config]]]:  # noqa: ANN401
    """The forms that a setting may take, by the tags that locations name them by."""
    for argument in typing.get_args(annotation):
        if isinstance(argument, Tag) and (form := _config_in(annotation)) is not None:
            yield argument.tag, form
        yield from _tagged(argument)


def _config_in(annotation: Any) -> type[Config] | None:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, Config) else None
    for argument in typing.get_args(annotation):
        if (found := _config_in(argument)) is not None:
            return found
    return None


def _described(cls: type[Config], shown: Sequence[int | str]) -> str | None:
    names = [part for part in shown if isinstance(part, str)]
    field = _fields(cls).get(names[-1]) if names else None
    return f"{names[-1]}: {field.description}" if field and field.description else None
