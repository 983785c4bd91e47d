"""Every foreseen error survives the way from a worker process."""

import pickle

import pytest

from farthing import errors
from farthing.errors import FarthingError, MissingExtraError


def _every(kind):
    yield kind
    for child in kind.__subclasses__():
        yield from _every(child)


@pytest.mark.parametrize(
    "kind", [kind for kind in _every(FarthingError) if kind.__module__ == errors.__name__]
)
def test_what_remedy_and_exit_code_come_back(kind):
    made = (
        kind("Feature", extra="gguf") if kind is MissingExtraError else kind("What.", remedy="Do.")
    )
    back = pickle.loads(pickle.dumps(made))  # noqa: S301 - our own, just written
    assert type(back) is kind
    assert (back.what, back.remedy, str(back)) == (made.what, made.remedy, str(made))
    assert back.exit_code == made.exit_code
