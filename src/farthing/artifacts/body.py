"""What every entry of a book or journal is made of; declared below the kinds of entries."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Body(BaseModel):
    """Base of all entry bodies and of their parts; `kind_name` names the entry they stand in."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind_name: ClassVar[str]
