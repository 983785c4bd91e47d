"""Profiles: which rules a document of a kind is held to, and which kind a document is."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import yaml

from farthing.documents.measure import SIGNALS
from farthing.errors import ConfigError
from farthing.stages.curate.settings.rules import LimitsConfig, RulesConfig

NO_PROFILE = "none"

_SHIPPED = Path(__file__).with_name("profiles.yaml")
_OF_LANGUAGE = {"en": "en", "zh": "zh", "lzh": "zh", "code": "code", "maths": "maths"}
_OTHERWISE = "other"
_OWN = "set in the recipe"


@dataclass(frozen=True)
class Rule:
    """A signal's range, and who says so.

    Texts of fewer than `from_characters` or `from_lines` always pass.
    """

    signal: str
    least: float | None
    most: float | None
    source: str
    from_characters: int = 0
    from_lines: int = 0

    def __post_init__(self) -> None:
        assert self.signal in SIGNALS
        assert self.least is not None or self.most is not None


@dataclass(frozen=True)
class RuleBook:
    """All profiles with their rules in order; a profile's code is its place in the mapping."""

    profiles: Mapping[str, tuple[Rule, ...]]
    profiles_for: Mapping[str, str]

    @property
    def reasons(self) -> tuple[str, ...]:
        """`rule:PROFILE.SIGNAL` of every rule, profile after profile."""
        return tuple(
            f"rule:{name}.{rule.signal}" for name, rules in self.profiles.items() for rule in rules
        )


def build_rules(config: RulesConfig) -> RuleBook:
    """The shipped rules with the user's changes.

    Raises:
        ConfigError: for a profile or a signal that does not exist, or a rule without a limit.
    """
    profiles = {name: dict(rules) for name, rules in shipped_profiles().items()}
    for name, changes in config.profiles.items():
        _known(name, profiles, "profile", f"corpus.rules.profiles.{name}")
        for signal, limits in changes.items():
            where = f"corpus.rules.profiles.{name}.{signal}"
            _known(signal, SIGNALS, "signal", where)
            if limits is None:
                profiles[name].pop(signal, None)
            else:
                profiles[name][signal] = _changed(profiles[name].get(signal), signal, limits, where)
    for pattern, name in config.profiles_for.items():
        _known(name, (*profiles, NO_PROFILE), "profile", f"corpus.rules.profiles_for {pattern!r}")
    return RuleBook(
        {name: tuple(rules.values()) for name, rules in profiles.items()},
        dict(config.profiles_for),
    )


@cache
def shipped_profiles() -> Mapping[str, Mapping[str, Rule]]:
    """The rules of profiles.yaml, in their order: profile, signal, rule."""
    read = yaml.safe_load(_SHIPPED.read_text(encoding="utf-8"))
    return {
        name: {
            signal: Rule(
                signal,
                limits.get("least"),
                limits.get("most"),
                limits["source"],
                limits.get("from_characters", 0),
                limits.get("from_lines", 0),
            )
            for signal, limits in rules.items()
        }
        for name, rules in read.items()
    }


def profile_codes(book: RuleBook, names: Collection[str], where: str) -> list[int]:
    """The codes of some profiles.

    Args:
        book: the rules.
        names: of the profiles.
        where: the setting that names them, for errors.

    Raises:
        ConfigError: there is no such profile.
    """
    for name in names:
        _known(name, (*book.profiles, NO_PROFILE), "profile", where)
    places = {name: code for code, name in enumerate(book.profiles)} | {NO_PROFILE: -1}
    return [places[name] for name in names]


def choose_profiles(
    book: RuleBook, languages: pa.Array, sources: pa.Array, domains: pa.Array
) -> npt.NDArray[np.int16]:
    """The profile of each document of a batch.

    The first pattern of `profiles_for` that the source or the domain fits decides, case and all;
    else the language. A language without a profile of its own is held to `other`: the English
    rules ask for English stop words, the Chinese for Chinese characters.

    Args:
        book: the rules.
        languages: as identified: "en", "zh-Hant", "code", ...; string or dictionary array [D].
        sources: string array [D].
        domains: string array [D].

    Returns:
        int16 [D], places in `book.profiles`, -1 where no rules hold.
    """
    places = {name: code for code, name in enumerate(book.profiles)} | {NO_PROFILE: -1}
    known: dict[tuple[str, str, str], int] = {}
    codes = np.empty(len(languages), dtype=np.int16)
    columns = (languages.to_pylist(), sources.to_pylist(), domains.to_pylist())
    for number, kind in enumerate(zip(*columns, strict=True)):
        if kind not in known:
            known[kind] = places[_profile_of(book, *kind)]
        codes[number] = known[kind]
    return codes


def _profile_of(book: RuleBook, language: str, source: str, domain: str) -> str:
    for pattern, name in book.profiles_for.items():
        if fnmatchcase(source, pattern) or fnmatchcase(domain, pattern):
            return name
    return _OF_LANGUAGE.get(language.partition("-")[0], _OTHERWISE)


def _known(name: str, names: Collection[str], what: str, where: str) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
        raise ConfigError(
            f"{where}: there is no {what} {name!r}",
            remedy=f"did you mean {near[0]!r}? The {what}s are: {', '.join(names)}",
        )


def _changed(rule: Rule | None, signal: str, limits: LimitsConfig, where: str) -> Rule:
    """The rule with the limits that were given; the others stay."""
    given = limits.model_fields_set
    least = limits.least if "least" in given or rule is None else rule.least
    most = limits.most if "most" in given or rule is None else rule.most
    if least is None and most is None:
        raise ConfigError(
            f"{where}: a rule without `least` and `most` drops nothing",
            remedy=f"give one of them, or take the rule out by `{signal}: null`",
        )
    if least is not None and most is not None and least > most:
        raise ConfigError(
            f"{where}: least {least:g} is more than most {most:g}", remedy="correct one of them"
        )
    beginning = limits if rule is None else rule
    characters = limits if "from_characters" in given else beginning
    lines = limits if "from_lines" in given else beginning
    return Rule(signal, least, most, _OWN, characters.from_characters, lines.from_lines)
