"""Settings: frozen, strict, described field by field, with errors that help.

Every settings class of the project derives from `Config`; `parse_config` is the only way in from
YAML, so that a wrong key is always met by the keys that exist and the nearest of them.
"""

from __future__ import annotations

import difflib
import json
import types
import typing
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
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
        raise _explain(cls, error.errors()[0], where, error.error_count()) from error


def _to_json(data: dict[Any, Any], where: str) -> str:
    try:
        return json.dumps(data, allow_nan=True)
    except TypeError as error:
        raise ConfigError(
            f"{where}: {error}", remedy="use plain numbers, strings, lists and keys"
        ) from error


def _explain(cls: type[Config], detail: ErrorDetails, where: str, count: int) -> ConfigError:
    location = [part for part in detail["loc"] if isinstance(part, str)]
    dotted = ".".join(str(part) for part in detail["loc"])
    more = f" (and {count - 1} more)" if count > 1 else ""
    if detail["type"] == "extra_forbidden":
        keys = list(_fields(_class_at(cls, location[:-1])))
        near = difflib.get_close_matches(location[-1], keys, n=1, cutoff=0.0)
        return ConfigError(
            f"{where}: there is no setting {dotted!r}{more}",
            remedy=f"did you mean {near[0]!r}? The keys here are: {', '.join(keys)}",
        )
    if detail["type"] == "missing":
        return ConfigError(
            f"{where}: the setting {dotted!r} is missing{more}",
            remedy=_describe(cls, location) or "add it",
        )
    return ConfigError(
        f"{where}: {dotted} = {detail['input']!r}: {detail['msg']}{more}",
        remedy=_describe(cls, location) or "correct the value",
    )


def _fields(cls: type[Config]) -> dict[str, FieldInfo]:
    """The settings of a class under the names that YAML uses for them."""
    return {field.alias or name: field for name, field in cls.model_fields.items()}


def _class_at(cls: type[Config], path: list[str]) -> type[Config]:
    for name in path:
        field = _fields(cls).get(name)
        inner = _config_in(field.annotation) if field else None
        # Keys of a mapping (a domain, a price basis) are not fields: stay where we are.
        cls = inner or cls
    return cls


def _config_in(annotation: Any) -> type[Config] | None:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, Config) else None
    for argument in typing.get_args(annotation):
        if (found := _config_in(argument)) is not None:
            return found
    return None


def _describe(cls: type[Config], path: list[str]) -> str | None:
    if not path:
        return None
    field = _fields(_class_at(cls, path[:-1])).get(path[-1])
    return f"{path[-1]}: {field.description}" if field and field.description else None
