"""Dense baselines: options of the one transformer, against models written in torch.nn layers."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError, ShapeError, UsageError
from farthing.model.config import ModelConfig
from farthing.model.generate import generate_tokens
from farthing.model.huggingface import check_layout
from farthing.model.initialize import initialize
from farthing.model.shape import Shape
from farthing.model.transformer import KeyValueCache, Transformer

VOCAB, END_OF_TEXT, CONTEXT = 23, 0, 12
SIZES = {
    "num_layers": 3,
    "num_dense_layers": 3,
    "hidden_dim": 24,
    "num_heads": 3,
    "num_kv_heads": 3,
    "head_dim": 8,
    "dense_ffn_dim": 40,
    "context": CONTEXT,
    "norm_eps": 1e-5,
}
NANOGPT = SIZES | {
    "positions": "learned",
    "norm": "layer",
    "qk_norm": False,
    "activation": "gelu",
    "tie_embeddings": True,
    "initialization": "gpt2",
}
NANOCHAT = SIZES | {
    "norm_weights": False,
    "embedding_norm": True,
    "activation": "relu2",
    "embedding_std": 1.0,
}
BASELINES = {"nanogpt": NANOGPT, "nanochat": NANOCHAT}


def _build(settings, *, dtype=torch.float64, **changes):
    model = Transformer(ModelConfig(**(settings | changes)), VOCAB, END_OF_TEXT)
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_((weight.ndim == 1) + 0.3 * torch.randn(weight.shape, generator=source))
    return model.to(dtype)


def _tokens(rows=2, length=CONTEXT, *, markers=()):
    tokens_BT = torch.randint(1, VOCAB, (rows, length), generator=torch.Generator().manual_seed(5))
    for place in markers:
        tokens_BT[place] = END_OF_TEXT
    return tokens_BT


class PlainGpt(nn.Module):
    """GPT-2 without biases: `nn.TransformerEncoderLayer` is one, once its norms come first."""

    def __init__(self, model):
        super().__init__()
        width = model.config.hidden_dim
        self.tokens = nn.Embedding(VOCAB, width)
        self.positions = nn.Embedding(CONTEXT, width)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                *(width, model.config.num_heads, model.config.dense_ffn_dim),
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
                bias=False,
            )
            for _ in model.layers
        )
        self.last = nn.LayerNorm(width, bias=False)
        self.double()
        with torch.no_grad():
            self.tokens.weight.copy_(model.embed_tokens.weight)
            self.positions.weight.copy_(model.embed_positions.weight)
            self.last.weight.copy_(model.norm.weight)
            for block, layer in zip(self.blocks, model.layers, strict=True):
                ours = layer.self_attn
                parts = (ours.q_proj.weight, ours.k_proj.weight, ours.v_proj.weight)
                block.self_attn.in_proj_weight.copy_(torch.cat(parts))
                block.self_attn.out_proj.weight.copy_(ours.o_proj.weight)
                block.norm1.weight.copy_(layer.input_layernorm.weight)
                block.norm2.weight.copy_(layer.post_attention_layernorm.weight)
                block.linear1.weight.copy_(layer.mlp.up_proj.weight)
                block.linear2.weight.copy_(layer.mlp.down_proj.weight)

    def forward(self, tokens_BT):
        documents_BT = (tokens_BT == END_OF_TEXT).cumsum(1)
        apart_BTT = documents_BT[:, :, None] != documents_BT[:, None]
        length = tokens_BT.shape[1]
        hidden_BTT = apart_BTT | torch.ones(length, length, dtype=torch.bool).triu(1)
        hidden_BTT = hidden_BTT.repeat_interleave(self.blocks[0].self_attn.num_heads, dim=0)
        # Positions count from the start of the window, whatever documents it holds.
        x_BTD = self.tokens(tokens_BT) + self.positions(torch.arange(length))
        for block in self.blocks:
            x_BTD = block(x_BTD, src_mask=hidden_BTT)
        return self.last(x_BTD) @ self.tokens.weight.T


class PlainChat:
    """The other baseline, one function: RoPE by complex numbers, after the norm or before it."""

    def __init__(self, model, *, norm_first):
        self.weights = {name: w.detach() for name, w in model.named_parameters()}
        self.config, self.norm_first = model.config, norm_first

    def _norm(self, x):
        return F.rms_norm(x, x.shape[-1:], eps=self.config.norm_eps)

    def _turn(self, x_BHTE):
        half = x_BHTE.shape[-1] // 2
        # The model keeps its tables in float32.
        steps = torch.arange(half, dtype=torch.float64) / half
        angles_TE = torch.outer(
            torch.arange(x_BHTE.shape[2], dtype=torch.float64), self.config.rope_theta**-steps
        )
        turns = torch.complex(angles_TE.cos().float().double(), angles_TE.sin().float().double())
        out = torch.complex(x_BHTE[..., :half], x_BHTE[..., half:]) * turns
        return torch.cat((out.real, out.imag), dim=-1)

    def __call__(self, tokens_BT):
        weights, heads = self.weights, self.config.num_heads
        x_BTD = self._norm(weights["embed_tokens.weight"][tokens_BT])
        for layer in range(self.config.num_layers):
            place = f"layers.{layer}"
            normed_BTD = self._norm(x_BTD)
            q, k, v = (
                (normed_BTD @ weights[f"{place}.self_attn.{kind}_proj.weight"].T)
                .unflatten(-1, (heads, -1))
                .transpose(1, 2)
                for kind in "qkv"
            )
            q, k = (
                self._turn(self._norm(x)) if self.norm_first else self._norm(self._turn(x))
                for x in (q, k)
            )
            out_BHTE = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            out_BTD = out_BHTE.transpose(1, 2).flatten(2)
            x_BTD = x_BTD + out_BTD @ weights[f"{place}.self_attn.o_proj.weight"].T
            inner = self._norm(x_BTD) @ weights[f"{place}.mlp.up_proj.weight"].T
            squared = torch.where(inner > 0, inner, 0.0) ** 2
            x_BTD = x_BTD + squared @ weights[f"{place}.mlp.down_proj.weight"].T
        return self._norm(x_BTD) @ weights["lm_head.weight"].T


@pytest.mark.parametrize("markers", [(), [(0, 4), (1, 1), (1, 9)]], ids=["one", "many documents"])
def test_the_nanogpt_options_give_a_gpt_of_torch_layers(markers):
    model, tokens_BT = _build(NANOGPT), _tokens(markers=markers)
    plain = PlainGpt(model)
    ours_BTV, theirs_BTV = model(tokens_BT), plain(tokens_BT)
    torch.testing.assert_close(ours_BTV, theirs_BTV, rtol=1e-9, atol=1e-9)
    ours_BTV.square().mean().backward()
    theirs_BTV.square().mean().backward()
    pairs = [(model.embed_tokens, plain.tokens), (model.embed_positions, plain.positions)]
    for layer, block in zip(model.layers, plain.blocks, strict=True):
        pairs += [(layer.mlp.up_proj, block.linear1), (layer.mlp.down_proj, block.linear2)]
        pairs += [
            (layer.input_layernorm, block.norm1),
            (layer.self_attn.o_proj, block.self_attn.out_proj),
        ]
    for ours, theirs in pairs:
        torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("norm_first", [True, False], ids=["norm, then RoPE", "RoPE, then norm"])
def test_the_nanochat_options_give_its_architecture(norm_first):
    model, tokens_BT = _build(NANOCHAT), _tokens()
    torch.testing.assert_close(
        # RoPE's tables are float32: turning changes a length in the eighth digit.
        *(model(tokens_BT), PlainChat(model, norm_first=norm_first)(tokens_BT)),
        rtol=1e-6,
        atol=1e-6,
    )


OPTIONS = {
    "QK-norm without RoPE": SIZES | {"positions": "learned"},
    "RoPE without QK-norm": SIZES | {"qk_norm": False},
    "grouped queries": NANOGPT | {"num_kv_heads": 1},
    **BASELINES,
}


@pytest.mark.parametrize("settings", OPTIONS.values(), ids=OPTIONS)
def test_low_precision_and_kernels_stay_close_to_float64(settings):
    tokens_BT = _tokens(markers=[(0, 5)])
    exact_BTV = _build(settings)(tokens_BT)
    model = _build(settings, dtype=torch.float32)
    torch.testing.assert_close(model(tokens_BT).double(), exact_BTV, rtol=1e-4, atol=1e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low_BTV = model(tokens_BT).double()
    assert (low_BTV - exact_BTV).norm() < 0.05 * exact_BTV.norm()


@pytest.mark.parametrize("settings", OPTIONS.values(), ids=OPTIONS)
def test_a_cache_gives_the_logits_of_the_whole_window(settings):
    model, tokens_BT = _build(settings), _tokens(rows=1)
    whole_BTV = model(tokens_BT)
    cache = KeyValueCache(model.full_shape)
    parts = [model(part, None, cache) for part in tokens_BT.split([5, 1, 1, 5], dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), whole_BTV, rtol=1e-9, atol=1e-9)


def test_losses_are_those_of_the_logits():
    model, tokens_BT = _build(NANOGPT), _tokens()
    logits_BTV = model(tokens_BT[:, :-1])
    expected = F.cross_entropy(logits_BTV.flatten(0, 1), tokens_BT[:, 1:].flatten())
    torch.testing.assert_close(model.mean_nats(tokens_BT[:, :-1], tokens_BT[:, 1:]), expected)
    nats_BT = model.token_nats(tokens_BT[:, :-1], tokens_BT[:, 1:])
    torch.testing.assert_close(nats_BT.mean(), expected)


def test_fewer_layers_are_a_shape_of_a_baseline_too():
    model, tokens_BT = _build(NANOGPT), _tokens()
    plain = PlainGpt(model)
    del plain.blocks[1]
    shape = Shape.parse("layers=0,2", model.config)
    torch.testing.assert_close(model(tokens_BT, shape), plain(tokens_BT), rtol=1e-9, atol=1e-9)


def test_learned_positions_bound_what_the_model_can_look_at():
    model = _build(NANOGPT)
    with pytest.raises(UsageError, match="13 tokens are too many"):
        model(_tokens(length=CONTEXT + 1))
    cache = KeyValueCache(model.full_shape)
    model(_tokens(rows=1), None, cache)
    with pytest.raises(UsageError, match="learned 12 positions"):
        model(_tokens(rows=1, length=1), None, cache)


def test_generation_beyond_the_positions_sees_the_last_window():
    model, prompt = _build(NANOGPT), [3, 7, 9]
    # Never the marker: generation ends there.
    with torch.no_grad():
        model.embed_tokens.weight[END_OF_TEXT] = 0
        model.norm.weight.fill_(4.0)
    found = list(
        generate_tokens(
            model, model.full_shape, prompt, max_tokens=30, temperature=0, top_p=1, seed=0
        )
    )
    assert len(found) == 30
    seen = [END_OF_TEXT, *prompt]
    for token in found:
        logits_BTV = model(torch.tensor([seen[-CONTEXT:]]))
        assert int(logits_BTV[0, -1].argmax()) == token
        seen.append(token)


def test_gpt2_weights_are_narrower_where_a_block_ends():
    model = Transformer(
        ModelConfig(**(NANOGPT | {"hidden_dim": 96, "dense_ffn_dim": 384})), 500, END_OF_TEXT
    )
    initialize(model, 0)
    weights = dict(model.named_parameters())
    for name, weight in weights.items():
        if weight.ndim == 1:
            assert (weight == 1).all(), name
            continue
        narrow = name.endswith(("o_proj.weight", "down_proj.weight"))
        expected = 0.02 / math.sqrt(6) if narrow else 0.02
        assert weight.std().item() == pytest.approx(expected, rel=0.06), name


def test_the_nanochat_start_is_even_with_embeddings_of_one():
    model = Transformer(ModelConfig(**NANOCHAT), 500, END_OF_TEXT)
    initialize(model, 0)
    assert model(_tokens()).count_nonzero() == 0
    assert model.embed_tokens.weight.std().item() == pytest.approx(1.0, rel=0.05)
    assert [name for name, weight in model.named_parameters() if weight.ndim == 1] == []


@pytest.mark.parametrize("activation", ["gelu", "relu2"])
def test_routed_experts_are_swiglu(activation):
    routed = SIZES | {"num_dense_layers": 1, "num_experts": 4, "expert_dim": 8, "top_k": 2}
    with pytest.raises(ConfigError, match=f"activation {activation} is for dense models"):
        parse_config(ModelConfig, routed | {"activation": activation}, where="recipe")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"positions": "learned"}, "positions: learned"),
        ({"norm": "layer"}, "norm: layer"),
        ({"norm_weights": False}, "norm_weights: false"),
        ({"qk_norm": False}, "qk_norm: false"),
        ({"embedding_norm": True}, "embedding_norm: true"),
        ({"activation": "relu2"}, "activation: relu2"),
    ],
)
def test_what_no_layout_can_say_is_not_exported(change, words):
    check_layout(ModelConfig(**SIZES))
    with pytest.raises(ShapeError, match=words) as caught:
        check_layout(ModelConfig(**(SIZES | change)))
    assert "farthing generate" in caught.value.remedy
