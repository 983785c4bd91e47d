"""From sizes and settings to the mixture that a corpus states; what is read too often."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from farthing.artifacts.canonical import digest_file, sha256_hex
from farthing.artifacts.curation import MixedStream, Mixture
from farthing.errors import ConfigError
from farthing.stages.curate.settings.mixture import MixtureConfig
from farthing.text.streams import spread


def make_mixture(
    config: MixtureConfig, tokens: Mapping[str, int], domains: Mapping[str, str] | None = None
) -> Mixture | None:
    """The mixture of a corpus.

    What weighs a domain, be it a number or a power of its size, is shared out among its streams by
    their tokens, where its text is divided into such.

    Args:
        config: how.
        tokens: of the training text of each domain and stream.
        domains: stream -> the domain that it is a part of; None where no domain is divided.

    Returns:
        Shares that sum to one in each phase; None where training draws by size anyway.

    Raises:
        ConfigError: weights for a domain that is not there or has no training text, none above
            zero, or those of a domain and of its streams at a time.
    """
    if not config.stated:
        return None
    domains = domains or {}
    # A divided domain has no text of its own: its streams are drawn from.
    tokens = {name: size for name, size in tokens.items() if name not in domains.values()}
    main = _shares(_main_weights(config, tokens, domains), domains, tokens, "corpus.mixture")
    phases = [
        main
        if phase.weights is None
        else _shares(phase.weights, domains, tokens, f"phase {number} of corpus.mixture")
        for number, phase in enumerate(config.phases, start=1)
    ] or [main]
    return Mixture(
        until=tuple(phase.until for phase in config.phases) or (1.0,),
        streams=tuple(
            MixedStream(
                stream=name,
                domain=domains.get(name, name),
                tokens=tokens[name],
                weights=tuple(phase.get(name, 0.0) for phase in phases),
            )
            for name in sorted(tokens)
        ),
    )


def describe_mixture(config: MixtureConfig, mixture: Mixture) -> dict[str, Any]:
    """What the manifest notes: "mixture", which training reads; "mixture_by", where it is from."""
    source: dict[str, Any] = {"by": config.by}
    if config.by == "temperature":
        source["size_exponent"] = config.size_exponent
    if config.searched is not None:
        source["searched_sha256"] = digest_file(Path(config.searched))
    return {"mixture": mixture.model_dump(mode="json"), "mixture_by": source}


def searched_digest(config: MixtureConfig) -> str | None:
    """The digest of the file of searched weights, for the corpus's input key; None without one.

    Raises:
        ConfigError: it cannot be read.
    """
    if config.searched is None:
        return None
    return sha256_hex(_read(Path(config.searched)))


def read_too_often(mixture: Mixture, tokens: int, most_epochs: float) -> list[str]:
    """One sentence for each domain that a run of `tokens` reads more often than is sensible."""
    return [
        f"{name} is read {epochs:.1f} times in {tokens:,} tokens, more than "
        f"corpus.mixture.most_epochs = {most_epochs:g}: repeated text teaches less"
        for name, epochs in sorted(mixture.epochs(tokens).items())
        if epochs > most_epochs
    ]


def _main_weights(
    config: MixtureConfig, tokens: Mapping[str, int], domains: Mapping[str, str]
) -> Mapping[str, float]:
    if config.weights is not None:
        return config.weights
    if config.searched is not None:
        return _searched_weights(Path(config.searched))
    power = config.size_exponent if config.by == "temperature" else 1.0
    sizes: dict[str, int] = {}
    for name, size in tokens.items():
        domain = domains.get(name, name)
        sizes[domain] = sizes.get(domain, 0) + size
    largest = max(sizes.values(), default=1) or 1
    # Nothing to the power of 0 is 1: a domain without text would be drawn from.
    return {domain: (size / largest) ** power for domain, size in sizes.items() if size}


def _shares(
    weights: Mapping[str, float],
    domains: Mapping[str, str],
    tokens: Mapping[str, int],
    where: str,
) -> dict[str, float]:
    weights = spread(weights, domains, tokens)
    unknown = sorted(set(weights) - set(tokens))
    if unknown:
        raise ConfigError(
            f"{where} names {', '.join(map(repr, unknown))}, which the corpus does not have",
            remedy=f"its domains are: {', '.join(sorted(tokens))}",
        )
    if empty := sorted(name for name, weight in weights.items() if weight and not tokens[name]):
        raise ConfigError(
            f"{where} weighs {', '.join(map(repr, empty))}, of which no training text is left",
            remedy="give it weight 0, or look at what curation dropped",
        )
    whole = math.fsum(weights.values())
    if not whole > 0:
        raise ConfigError(
            f"{where} gives no domain a weight above 0",
            remedy=f"weigh at least one of: {', '.join(sorted(tokens))}",
        )
    return {domain: weight / whole for domain, weight in weights.items()}


def _searched_weights(path: Path) -> dict[str, float]:
    try:
        weights = json.loads(_read(path))["weights"]
        found = {str(domain): float(weight) for domain, weight in weights.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} holds no searched weights: {error}",
            remedy='write {"weights": {DOMAIN: number}} into it',
        ) from error
    for domain, weight in found.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise ConfigError(
                f"{path} gives {domain!r} the weight {weight}",
                remedy="weights are numbers from 0 up",
            )
    return found


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"corpus.mixture.searched: {path} cannot be read: {error}",
            remedy="name a file with the searched weights",
        ) from error
