"""Which experts a layer is given: counted by rank, or listed one by one."""

import torch

from farthing.model.shape import Shape

LISTED = "layers=0,2-4/experts=e0+2+5,e1+3-4,e0-2/top_k=2"


def test_a_count_is_the_best_ranked_experts_in_ascending_order(build, sparse_config):
    model = build(sparse_config)
    shape = Shape.parse("5L-3E-2K", sparse_config)
    for layer in range(1, 5):
        ids_S, top_k = model.selection(shape, layer)
        assert ids_S.tolist() == sorted(model.expert_ranking[layer - 1, :3].tolist())
        assert top_k == 2
    assert model.selection(shape, 0) is None
    assert model.selection(model.full_shape, 1) == (None, 3)


def test_a_ranking_that_changed_is_looked_at_again(build, sparse_config):
    model = build(sparse_config)
    shape = Shape.parse("5L-3E-2K", sparse_config)
    model.selection(shape, 1)
    model.expert_ranking[0] = torch.tensor([5, 4, 3, 2, 1, 0])
    assert model.selection(shape, 1)[0].tolist() == [3, 4, 5]


def test_listed_experts_are_those_of_the_layer_and_reach_the_device_once(build, sparse_config):
    model = build(sparse_config)
    shape = Shape.parse(LISTED, sparse_config)
    found = [model.selection(shape, layer)[0] for layer in (2, 3, 4)]
    assert [ids.tolist() for ids in found] == [[0, 2, 5], [1, 3, 4], [0, 1, 2]]
    assert all(ids.dtype == torch.int64 for ids in found)
    assert model.selection(shape, 3)[0] is found[1]
    other = Shape.parse(LISTED.replace("e0+2+5", "e1-2+5"), sparse_config)
    assert model.selection(other, 2)[0].tolist() == [1, 2, 5]
    assert model.selection(shape, 2)[0].tolist() == [0, 2, 5]
