"""Weights of a mixture, where the training text of a domain may be divided into streams."""

from __future__ import annotations

import math
from collections.abc import Mapping

from farthing.errors import ConfigError


def spread(
    weights: Mapping[str, float], domains: Mapping[str, str], tokens: Mapping[str, int]
) -> dict[str, float]:
    """A weight for each stream: that of a divided domain goes to its streams by their tokens.

    Args:
        weights: by stream, by domain, or some of both.
        domains: stream -> the domain that it is a part of; empty where none is divided.
        tokens: of the training text of each stream.

    Returns:
        The weights without divided domains; whatever else is named stays as it is.

    Raises:
        ConfigError: a domain and a stream of it are both named.
    """
    parts: dict[str, list[str]] = {}
    for stream, domain in sorted(domains.items()):
        parts.setdefault(domain, []).append(stream)
    found = {name: weight for name, weight in weights.items() if name not in parts}
    for domain, streams in parts.items():
        if domain not in weights:
            continue
        if both := [stream for stream in streams if stream in weights]:
            raise ConfigError(
                f"the mixture names {domain!r} and its part {both[0]!r}",
                remedy=f"weigh either {domain!r} or each of: {', '.join(streams)}",
            )
        whole = math.fsum(tokens[stream] for stream in streams)
        for stream in streams:
            found[stream] = weights[domain] * tokens[stream] / whole if whole else 0.0
    return found
