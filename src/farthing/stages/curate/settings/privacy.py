"""Settings of the masking of personal data and keys."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from farthing.artifacts.config import Config

Kind = Literal["email", "ip", "phone", "id", "card", "key"]
EVERY_KIND: tuple[Kind, ...] = ("email", "ip", "phone", "id", "card", "key")


class PrivacyConfig(Config):
    """What is replaced by a mask in the text."""

    mask: tuple[Kind, ...] = Field(
        default=EVERY_KIND,
        description="kinds that are masked: email, ip (public addresses), phone (E.164, "
        "Chinese mobile and fixed lines), id (Chinese identity number), card, key (tokens, "
        "private keys); [] none",
    )
    not_in: dict[str, tuple[Kind, ...]] = Field(
        default={"maths": ("phone", "id", "card")},
        description="kinds that stay in documents of a profile, where digits are mostly numbers",
    )
