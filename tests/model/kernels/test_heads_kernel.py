"""The compiled way from one projection to attention's heads against torch's in float64."""

from functools import partial

import pytest
import torch

from farthing.model.kernels.heads import plain_turned_heads, turned_heads

pytestmark = pytest.mark.usefixtures("compiled", "poison")

EPS = 1e-5
# (B, T, H, G, E): as many keys as queries or fewer, halves below, at and above a vector, and more
# rows than one block of the weights' gradients.
SHAPES = [
    (1, 1, 1, 1, 2),
    (2, 5, 4, 2, 6),
    (3, 4, 3, 3, 32),
    (2, 7, 6, 1, 34),
    (1, 3, 2, 1, 100),
    (3, 200, 2, 1, 8),
]
# A dozen roundings of 2**-24, and sums of hundreds of terms in sixteen or more partial sums.
FLOAT32 = 2e-6
# One rounding to 8 bits, at the end.
BFLOAT16 = 2**-8


@pytest.fixture
def make(draw):
    """Rows, both norms' weights; then cosines and sines; then the gradients of the heads."""

    def inputs(shape, dtype=torch.float32):
        batch, length, queries, keys, width = shape
        rows = draw(batch, length, (queries + 2 * keys) * width, dtype=dtype)
        weights = [1 + 0.3 * draw(width, seed=seed) for seed in (1, 2)]
        # More than one turn, and different in every place: a wrong position cannot hide.
        angles = 3 * draw(length, width, seed=3)
        grads = [
            draw(batch, length, heads, width, seed=4 + i, dtype=dtype)
            for i, heads in enumerate((queries, keys, keys))
        ]
        return [rows, *weights], (angles.cos(), angles.sin()), grads

    return inputs


def _ours(rope, queries):
    return partial(turned_heads, rope=rope, queries=queries, eps=EPS)


def _plain(rope, queries):
    rope = tuple(table.double() for table in rope)
    return partial(plain_turned_heads, rope=rope, queries=queries, eps=EPS)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_heads_match_float64(make, results, exact_results, assert_near, shape):
    inputs, rope, grads = make(shape)
    exact = exact_results(_plain(rope, shape[2]), inputs, *grads)
    assert_near(results(_ours(rope, shape[2]), inputs, *grads), exact, FLOAT32)


@pytest.mark.parametrize("autocast", [False, True], ids=["alone", "under autocast"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bfloat16_rows_are_rounded_once(make, results, exact_results, assert_near, shape, autocast):
    inputs, rope, grads = make(shape, torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        ours = results(_ours(rope, shape[2]), inputs, *grads)
    assert [x.dtype for x in ours] == [torch.bfloat16] * 4 + [torch.float32] * 2
    exact = exact_results(_plain(rope, shape[2]), inputs, *grads)
    assert_near(ours[:4], exact[:4], BFLOAT16)
    assert_near(ours[4:], exact[4:], FLOAT32)


def test_values_and_their_gradients_are_copied(make, results, assert_equal):
    (rows, *weights), rope, grads = make((2, 5, 4, 2, 6))
    _, _, v, d_rows, *_ = results(_ours(rope, 4), [rows, *weights], *grads)
    assert_equal([v.flatten(2), d_rows[..., -12:]], [rows[..., -12:], grads[2].flatten(2)])


def test_every_sequence_starts_at_the_first_position(make):
    (rows, *weights), rope, _ = make((3, 5, 4, 2, 6))
    together = _ours(rope, 4)(rows, *weights)
    for b in range(3):
        for whole, one in zip(together, _ours(rope, 4)(rows[b : b + 1], *weights), strict=True):
            assert torch.equal(whole[b : b + 1], one)


def test_later_positions_are_turned_by_their_own_angles(make, assert_equal):
    (rows, *weights), rope, _ = make((1, 9, 2, 1, 6))
    whole = _ours(rope, 2)(rows, *weights)
    rest = _ours(tuple(table[5:] for table in rope), 2)(rows[:, 5:], *weights)
    assert_equal([x[:, 5:] for x in whole], rest)


@pytest.mark.parametrize("shape", [(0, 3, 2, 1, 6), (2, 0, 2, 1, 6)], ids=str)
def test_no_rows_give_no_heads_and_gradients_of_zeros(make, results, shape):
    inputs, rope, grads = make(shape)
    *outputs, d_rows, dq_weight, dk_weight = results(_ours(rope, 2), inputs, *grads)
    assert [x.shape for x in outputs] == [x.shape for x in grads]
    assert d_rows.shape == inputs[0].shape
    assert not dq_weight.any()
    assert not dk_weight.any()


def test_what_attention_does_not_use_has_no_gradient(make):
    (rows, *weights), rope, grads = make((2, 5, 4, 2, 6))
    rows.requires_grad_()
    keys = _ours(rope, 4)(rows, *weights)[1]
    keys.backward(grads[1])
    assert not rows.grad[..., :24].any()
    assert rows.grad[..., 24:36].all()
    assert not rows.grad[..., 36:].any()


def test_how_tensors_lie_in_memory_changes_nothing(make, results, assert_equal):
    def apart(tensor):
        return torch.stack((tensor, tensor), dim=-1)[..., 0]

    inputs, rope, grads = make((2, 5, 4, 2, 6))
    assert not apart(rope[0]).is_contiguous()
    same = results(_ours(rope, 4), inputs, *grads)
    spread = _ours(tuple(apart(table) for table in rope), 4)
    assert_equal(results(spread, [apart(x) for x in inputs], *(apart(g) for g in grads)), same)


def test_broadcast_tensors_are_what_they_stand_for(draw, results, assert_equal):
    inputs = [draw(1, 5, 48).expand(2, 5, 48), *(torch.full((1,), 1.5).expand(6) for _ in "qk")]
    rope = tuple(draw(1, 6, seed=seed).expand(5, 6) for seed in (1, 2))
    grads = [draw(1, 1, 1, 1, seed=3).expand(2, 5, heads, 6) for heads in (4, 2, 2)]
    broadcast = results(_ours(rope, 4), inputs, *grads)
    inputs, rope, grads = ([x.contiguous() for x in group] for group in (inputs, rope, grads))
    assert_equal(broadcast, results(_ours(tuple(rope), 4), inputs, *grads))


@pytest.mark.parametrize("head", range(8))
def test_nan_spoils_its_own_head_and_no_other(make, results, head):
    inputs, rope, grads = make((2, 5, 4, 2, 6))
    inputs[0][1, 3, 6 * head + 2] = float("nan")
    q, k, v, d_rows, dq_weight, dk_weight = results(_ours(rope, 4), inputs, *grads)
    heads_BTHE = torch.cat((q, k, v), dim=2)
    assert heads_BTHE.isnan().any(dim=-1).nonzero().tolist() == [[1, 3, head]]
    # Values are copied: their gradient does not depend on them.
    spoilt = [[1, 3, head]] if head < 6 else []
    assert d_rows.unflatten(-1, (8, 6)).isnan().any(dim=-1).nonzero().tolist() == spoilt
    assert dq_weight.isnan().any() == (head < 4)
    assert dk_weight.isnan().any() == (4 <= head < 6)


def test_threads_do_not_change_a_bit(make, results, assert_threads_agree):
    inputs, rope, grads = make((4, 250, 4, 2, 32))
    assert_threads_agree(lambda: results(_ours(rope, 4), inputs, *grads))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("index", [1, 2], ids=["queries", "keys"])
def test_a_weight_of_another_dtype_takes_the_plain_path(make, assert_equal, dtype, index):
    inputs, rope, _ = make((2, 5, 4, 2, 6))
    inputs[index] = inputs[index].to(dtype)
    plain = plain_turned_heads(*inputs, rope, queries=4, eps=EPS)
    assert_equal(_ours(rope, 4)(*inputs), plain)


def _refused(make, match, shape=(2, 5, 4, 2, 6), queries=4, **changed):
    (rows, *weights), rope, _ = make(shape)
    arguments = {"rows_BTP": rows, "q_weight_E": weights[0], "k_weight_E": weights[1], "rope": rope}
    with pytest.raises(ValueError, match=match):
        turned_heads(**(arguments | changed), queries=queries, eps=EPS)


@pytest.mark.parametrize("size", [(4, 6), (6, 6), (5, 8), (6,)], ids=str)
@pytest.mark.parametrize("index", [0, 1], ids=["cosines", "sines"])
def test_tables_of_other_positions_or_widths_are_refused(make, size, index):
    rope = [torch.ones(5, 6)] * 2
    rope[index] = torch.ones(size)
    _refused(make, "5 positions of 6 columns", rope=tuple(rope))


def test_norm_weights_that_do_not_fit_a_head_are_refused(make):
    _refused(make, r"shapes \(8,\) and \(6,\)", q_weight_E=torch.ones(8))
    _refused(make, r"shapes \(6,\) and \(6, 1\)", k_weight_E=torch.ones(6, 1))
    _refused(make, "an even number", shape=(2, 5, 4, 2, 7))


@pytest.mark.parametrize("columns", [0, 6, 12, 24, 30, 47, 42])
def test_columns_that_are_no_heads_are_refused(make, columns):
    _refused(make, f"{columns} columns are not 4 query", rows_BTP=torch.ones(2, 5, columns))


@pytest.mark.parametrize("queries", [-2, 3, 8])
def test_a_number_of_queries_that_leaves_no_pairs_is_refused(make, queries):
    _refused(make, f"not {queries} query heads", queries=queries)


def test_rows_without_positions_are_refused(make):
    _refused(make, "sequences, positions, columns", rows_BTP=torch.ones(5, 48))
