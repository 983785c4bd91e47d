"""A claim made by hand, one of tiny models, both signed by a cheat, and what a verifier says.

The cheat owns the key: whatever he changes is signed, linked and summed up again, so that what
catches him is never a signature that he forgot.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from farthing.cli.verify import verify
from farthing.errors import FarthingError

_TREE = Path(__file__).parents[2]
# The claim made by hand, and the one of tiny models: made by scripts beside other tests.
for _place in (_TREE / "bench" / "claims", _TREE / "tests" / "studies" / "claim"):
    if str(_place) not in sys.path:
        sys.path.insert(0, str(_place))


@pytest.fixture
def findings(capsys):
    """All that `farthing verify --json` finds: (level, ok, "check: where: detail")."""

    def found(claim, **options):
        given = {"answer": None, "nonce": None, "fresh": None, "corpus": None, "level": None}
        given |= {"drawn": 0, "most_gib": 1.0, "revoked": None, "to": None, "rerun": False}
        refused = 2 if options.get("answer") else 0
        try:
            verify(claim, Path(), None, None, as_json=True, **{**given, **options})
        except FarthingError as error:
            # What is no claim or no answer at all is refused before anything in it is looked at.
            return [(refused, False, error.what)]
        finally:
            printed = capsys.readouterr().out
        return [
            (each["level"], each["ok"], f"{each['check']}: {each['where']}: {each['detail']}")
            for each in json.loads(printed)["findings"]
        ]

    return found


@pytest.fixture
def caught(findings):
    """At which level a cheat is caught first, and all sentences of that level that say so."""

    def first(claim, **options):
        wrong = [(level, words) for level, ok, words in findings(claim, **options) if not ok]
        level = min((level for level, _ in wrong), default=None)
        return level, [words for each, words in wrong if each == level]

    return first


@pytest.fixture(scope="session")
def honest(tmp_path_factory):
    """The tiny claim; nobody changes it, and FARTHING_HOME is not set to its home."""
    from claim_example import one_example

    return one_example(tmp_path_factory)
