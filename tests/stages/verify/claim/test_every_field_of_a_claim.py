"""Whatever a claim states follows from its book: no field can be signed otherwise."""

from __future__ import annotations

import copy

import pytest

from farthing.errors import ClaimError

# Words, and what only the claimant's disk knows.
FREE = {("farthing_version",), ("excluded", 0, "why"), ("checkpoints", "bytes")}


def _leaves(value, path=()):
    if isinstance(value, dict):
        for key in value:
            yield from _leaves(value[key], (*path, key))
    elif isinstance(value, list):
        for place in range(len(value)):
            yield from _leaves(value[place], (*path, place))
    else:
        yield path


def _other(value):
    if value is None:
        return 1.0
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value * 1.001 + (1 if isinstance(value, int) else 0.001)
    return ("0" if value[0] != "0" else "1") + value[1:]


def _of_files(path):
    return path[0] == "files"


@pytest.fixture(scope="module")
def predicate(synthetic, tmp_path_factory):
    found = []
    synthetic.Story(
        tmp_path_factory.mktemp("fields"), claim=lambda made: found.append(made) or made
    ).write()
    return copy.deepcopy(found[0])


# A sixth of about three hundred fields: all of them take half a minute.
@pytest.mark.parametrize("part", range(3))
def test_another_value_in_any_field_is_seen(part, predicate, tell, find):
    paths = [path for path in _leaves(predicate) if not _of_files(path) and path not in FREE]
    unseen = []
    for path in paths[part::18]:

        def change(made, path=path):
            made = copy.deepcopy(made)
            place = made
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = _other(place[path[-1]])
            return made

        try:
            wrong = find(tell(claim=change))
        except (ClaimError, ValueError):
            continue
        if not wrong:
            unseen.append(path)
    assert not unseen
