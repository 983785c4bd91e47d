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


def make_mixture(config: MixtureConfig, tokens: Mapping[str, int]) -> Mixture | None:
    """The mixture of a corpus.

    Args:
        config: how.
        tokens: of the training text of each domain.

    Returns:
        Shares that sum to one in each phase; None where training draws by size anyway.

    Raises:
        ConfigError: weights for a domain that is not there, or none above zero.
    """
    if not config.stated:
        return None
    main = _shares(_main_weights(config, tokens), tokens, "corpus.mixture")
    phases = [
        main
        if phase.weights is None
        else _shares(phase.weights, tokens, f"phase {number} of corpus.mixture")
        for number, phase in enumerate(config.phases, start=1)
    ] or [main]
    return Mixture(
        until=tuple(phase.until for phase in config.phases) or (1.0,),
        streams=tuple(
            MixedStream(
                stream=domain,
                domain=domain,
                tokens=tokens[domain],
                weights=tuple(phase.get(domain, 0.0) for phase in phases),
            )
            for domain in sorted(tokens)
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


def _main_weights(config: MixtureConfig, tokens: Mapping[str, int]) -> Mapping[str, float]:
    if config.weights is not None:
        return config.weights
    if config.searched is not None:
        return _searched_weights(Path(config.searched))
    power = config.size_exponent if config.by == "temperature" else 1.0
    largest = max(tokens.values(), default=1) or 1
    return {domain: (size / largest) ** power for domain, size in tokens.items()}


def _shares(
    weights: Mapping[str, float], tokens: Mapping[str, int], where: str
) -> dict[str, float]:
    unknown = sorted(set(weights) - set(tokens))
    if unknown:
        raise ConfigError(
            f"{where} names {', '.join(map(repr, unknown))}, which the corpus does not have",
            remedy=f"its domains are: {', '.join(sorted(tokens))}",
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
