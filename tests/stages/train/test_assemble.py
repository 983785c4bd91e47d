"""What a run says of itself when it starts, and which settings lead where."""

import pytest
import torch
import torch.nn.functional as F

from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError
from farthing.model.config import ModelConfig
from farthing.model.kernels import fp8
from farthing.model.kernels.fp8 import fp8_grouped, fp8_linear
from farthing.model.kernels.native import kernels_in_use
from farthing.stages.train import assemble as assembly
from farthing.stages.train.assemble import assemble, events_of
from farthing.stages.train.compiled import expected_graphs
from farthing.stages.train.config import TrainConfig

SIZES = ModelConfig(
    num_layers=3,
    hidden_dim=32,
    num_heads=2,
    num_kv_heads=1,
    head_dim=16,
    dense_ffn_dim=32,
    num_experts=4,
    expert_dim=16,
    top_k=2,
    context=32,
)
CPU = torch.device("cpu")


def _config(**changes):
    return parse_config(TrainConfig, {"steps": 1, "batch_sequences": 2} | changes, where="a test")


def _events(config, sizes=SIZES):
    made = assemble(config, sizes, None, CPU, rows=50, end_of_text=0)
    return made, events_of(made, config)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_kernels_and_precision_are_said(precision):
    made, events = _events(_config(precision=precision))
    assert made.precision == precision
    assert events == [("kernels", f"{kernels_in_use()}; matrix products in {precision}")]
    dtype = torch.bfloat16 if precision == "bf16" else None
    assert made.step.product_dtype == made.optimizer.muon.dtype == dtype


def test_what_fp8_does_not_take_stays_in_bf16_with_one_line_for_each_reason():
    odd = SIZES.model_copy(update={"expert_dim": 20})
    made, events = _events(_config(precision="fp8"), odd)
    assert made.precision == "bf16"
    assert made.step.product_dtype == torch.bfloat16
    (_, kernels), *refused = events
    assert kernels.endswith("matrix products in bf16")
    assert [event for event, _ in refused] == ["fp8", "fp8"]
    assert {detail.partition(": ")[2] for _, detail in refused} == {
        "its width 20 is no multiple of 16",
        "this CPU has no FP8 matrix unit",
    }
    named = " ".join(detail for _, detail in refused)
    for name in ("layers.0.self_attn", "layers.0.mlp", "layers.1.mlp.experts"):
        assert name in named
    assert made.model.layers[0].self_attn.product is F.linear


def test_where_fp8_is_possible_every_dense_and_expert_product_uses_it(monkeypatch):
    monkeypatch.setattr(fp8, "fp8_reason", lambda _weight: None)
    made, events = _events(_config(precision="fp8"))
    assert made.precision == "fp8"
    assert len(events) == 1
    for layer in made.model.layers:
        assert layer.self_attn.product is fp8_linear
    assert made.model.layers[0].mlp.product is fp8_linear
    for block in made.model.sparse_blocks():
        assert block.shared_experts.product is fp8_linear
        assert block.experts.grouped_product is fp8_grouped


def test_products_that_were_swapped_are_those_that_run(monkeypatch):
    """The experts by the path of accelerators; values as far apart as 8 bits are."""
    monkeypatch.setattr(fp8, "fp8_reason", lambda _weight: None)
    losses = []
    for precision in ("bf16", "fp8"):
        made, _ = _events(_config(precision=precision))
        torch.manual_seed(0)
        for weight in made.model.parameters():
            if weight.ndim > 1:
                torch.nn.init.normal_(weight, std=weight.shape[-1] ** -0.5)
        for block in made.model.sparse_blocks():
            block.experts.path = "grouped"
        tokens_BT = torch.randint(1, 50, (2, 33), generator=torch.Generator().manual_seed(1))
        with made.step.autocast():
            loss = made.model.mean_nats(tokens_BT[:, :-1], tokens_BT[:, 1:])
        loss.backward()
        losses.append(loss.item())
        assert all(torch.isfinite(w.grad).all() for w in made.model.parameters())
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], abs=0.1)


@pytest.mark.parametrize(
    ("written", "read"), [(False, "off"), ("off", "off"), ("blocks", "blocks")]
)
def test_compile_off_is_understood_as_yaml_reads_it(written, read):
    assert _config(compile=written).compile == read


def test_another_way_to_compile_is_refused_with_those_that_exist():
    with pytest.raises(ConfigError, match=r"'off', 'blocks' or 'graphs'"):
        _config(compile=True)


def test_layers_are_compiled_before_recomputation_goes_around_them(monkeypatch):
    calls = []
    monkeypatch.setattr(assembly, "use_fp8", lambda _model: calls.append("fp8") or {})
    monkeypatch.setattr(assembly, "compile_layers", lambda _model, mode: calls.append(mode))
    monkeypatch.setattr(assembly, "recompute", lambda _layer: calls.append("recompute"))
    monkeypatch.setattr(
        assembly, "_recomputed_layers", lambda *_: calls.append("measure") or frozenset({0, 2})
    )
    config = _config(precision="fp8", compile="graphs", activation_gib=1.0)
    _, events = _events(config)
    assert calls == ["fp8", "measure", "graphs", "recompute", "recompute"]
    assert "each layer compiled (graphs); layers recomputed: 0, 2" in events[0][1]


def test_graphs_are_bounded_only_where_layers_are_compiled():
    limit = torch._dynamo.config.recompile_limit
    with expected_graphs(_config(), SIZES):
        assert torch._dynamo.config.recompile_limit == limit
    with expected_graphs(_config(compile="blocks"), SIZES):
        assert torch._dynamo.config.fail_on_recompile_limit_hit
    assert not torch._dynamo.config.fail_on_recompile_limit_hit
