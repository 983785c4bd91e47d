from __future__ import annotations

import numpy as np
import pytest

from farthing.kernels.key_table import key_table, numbers_of


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 5000])
def test_every_key_has_its_place_as_number_and_no_other_is_found(count):
    draw = np.random.default_rng(count)
    keys = np.unique(draw.integers(0, 1 << 64, size=count, dtype=np.uint64))
    others = draw.integers(0, 1 << 64, size=2000, dtype=np.uint64)
    expected = {key: number for number, key in enumerate(keys.tolist())}
    wanted = np.concatenate([keys, others, keys ^ np.uint64(1)])
    found = numbers_of(wanted, *key_table(keys))
    assert found.tolist() == [expected.get(key, -1) for key in wanted.tolist()]


def test_keys_that_share_their_top_bits_are_told_apart():
    keys = np.array([0, 1, 2, 3, (1 << 64) - 2, (1 << 64) - 1], dtype=np.uint64)
    wanted = np.array([3, 4, 0, (1 << 64) - 1, (1 << 64) - 3], dtype=np.uint64)
    assert numbers_of(wanted, *key_table(keys)).tolist() == [3, -1, 0, 5, -1]
