"""What the tests of the model share, above all a plain transformer to compare with.

The reference follows the architecture's description, not its code: one token, one head, one expert
at a time, in float64, with torch only for sums, products and their gradients.
"""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from farthing.model.config import ModelConfig
from farthing.model.transformer import Transformer

VOCAB = 11
END_OF_TEXT = 0

SPARSE = ModelConfig(
    num_layers=5,
    num_dense_layers=1,
    hidden_dim=12,
    num_heads=4,
    num_kv_heads=2,
    head_dim=6,
    dense_ffn_dim=10,
    num_experts=6,
    expert_dim=7,
    num_shared_experts=2,
    top_k=3,
    routed_scale=1.7,
    context=12,
    rope_theta=50.0,
    norm_eps=1e-3,
)


@pytest.fixture
def sparse_config():
    """Five layers (the first dense), six experts, top-3, two shared experts, odd widths."""
    return SPARSE


@pytest.fixture
def build():
    """Build a model with random weights, norms, balancing biases and importance rankings."""
    return build_model


@pytest.fixture
def draw_tokens():
    """Draw (rows, length) token ids without a document marker, unless told where to put one."""

    def draw(rows, length, *, seed=0, markers=()):
        tokens_BT = np.random.default_rng(seed).integers(1, VOCAB, (rows, length))
        for row, position in markers:
            tokens_BT[row, position] = END_OF_TEXT
        return torch.from_numpy(tokens_BT)

    return draw


@pytest.fixture
def reference():
    """The plain transformer and the `Kept` that tells it what a sub-model keeps."""
    return PlainTransformer


@pytest.fixture
def kept():
    return Kept


def build_model(config, *, seed=0, dtype=torch.float64):
    model = Transformer(config, vocab_size=VOCAB, end_of_text=END_OF_TEXT)
    noise = np.random.default_rng(seed)

    def normal(like, scale):
        return torch.from_numpy(noise.standard_normal(tuple(like.shape)) * scale)

    with torch.no_grad():
        for name, weight in model.named_parameters():
            centre = 1.0 if "norm" in name else 0.0
            weight.copy_(centre + normal(weight, 0.4))
        for block in model.sparse_blocks():
            block.router.balance_bias.copy_(normal(block.router.balance_bias, 0.3))
        for row in model.expert_ranking:
            row.copy_(torch.from_numpy(noise.permutation(config.num_experts)))
    return model.to(dtype)


@dataclass
class Kept:
    """What a sub-model keeps: `{layer: (expert ids, top_k)}`, None for dense layers."""

    layers: dict[int, tuple[list[int], int] | None]


class PlainTransformer:
    """The architecture as its description says, token by token, with weights of its own."""

    def __init__(self, model, config):
        self.config = config
        self.weights = {
            name: weight.detach().clone().double().requires_grad_()
            for name, weight in model.named_parameters()
        }
        self.biases = {
            name: bias.double().tolist()
            for name, bias in model.named_buffers()
            if name.endswith("balance_bias")
        }

    def gradients(self):
        """By name; None for weights that took no part."""
        return {name: weight.grad for name, weight in self.weights.items()}

    def logits(self, tokens_BT, kept):
        """Logits (B, T, V) in float64."""
        return torch.stack([self._sequence(row.tolist(), kept) for row in tokens_BT])

    def _sequence(self, tokens, kept):
        documents = np.cumsum([token == END_OF_TEXT for token in tokens])
        stream = [self.weights["embed_tokens.weight"][token] for token in tokens]
        for layer in sorted(kept.layers):
            place = f"layers.{layer}"
            normed = [self._norm(x, f"{place}.input_layernorm.weight") for x in stream]
            added = self._attention(normed, documents, f"{place}.self_attn")
            stream = [x + y for x, y in zip(stream, added, strict=True)]
            normed = [self._norm(x, f"{place}.post_attention_layernorm.weight") for x in stream]
            added = [self._feed_forward(x, f"{place}.mlp", kept.layers[layer]) for x in normed]
            stream = [x + y for x, y in zip(stream, added, strict=True)]
        head = self.weights.get("lm_head.weight", self.weights["embed_tokens.weight"])
        return torch.stack([head @ self._norm(x, "norm.weight") for x in stream])

    def _norm(self, x, name):
        mean_square = sum(value * value for value in x) / len(x)
        return x / torch.sqrt(mean_square + self.config.norm_eps) * self.weights[name]

    def _heads(self, x, place, kind, position):
        """One vector per head: projected, normed, turned."""
        projected = self.weights[f"{place}.{kind}_proj.weight"] @ x
        heads = projected.split(self.config.head_dim)
        if kind == "v":
            return heads
        return [self._turn(self._norm(h, f"{place}.{kind}_norm.weight"), position) for h in heads]

    def _turn(self, x, position):
        """RoPE on the pairs (i, i + half). The model keeps its tables in float32; so do we."""
        half = len(x) // 2
        first, second = [], []
        for i in range(half):
            angle = position * self.config.rope_theta ** (-2 * i / len(x))
            cos, sin = float(np.float32(math.cos(angle))), float(np.float32(math.sin(angle)))
            first.append(x[i] * cos - x[i + half] * sin)
            second.append(x[i] * sin + x[i + half] * cos)
        return torch.stack(first + second)

    def _attention(self, normed, documents, place):
        queries = [self._heads(x, place, "q", t) for t, x in enumerate(normed)]
        keys = [self._heads(x, place, "k", t) for t, x in enumerate(normed)]
        values = [self._heads(x, place, "v", t) for t, x in enumerate(normed)]
        queries_per_key = self.config.num_heads // self.config.num_kv_heads
        outputs = []
        for t in range(len(normed)):
            visible = [s for s in range(t + 1) if documents[s] == documents[t]]
            heads = []
            for head in range(self.config.num_heads):
                group = head // queries_per_key
                scores = [queries[t][head] @ keys[s][group] for s in visible]
                powers = [torch.exp(score / self.config.head_dim**0.5) for score in scores]
                mixed = sum(p * values[s][group] for p, s in zip(powers, visible, strict=True))
                heads.append(mixed / sum(powers))
            outputs.append(self.weights[f"{place}.o_proj.weight"] @ torch.cat(heads))
        return outputs

    def _feed_forward(self, x, place, selection):
        if selection is None:
            return self._swiglu(x, *(self.weights[f"{place}.{p}_proj.weight"] for p in PARTS))
        ids, top_k = selection
        scores = torch.sigmoid(self.weights[f"{place}.router.weight"] @ x)
        biases = self.biases[f"{place}.router.balance_bias"]
        ranked = sorted(ids, key=lambda i: scores[i].item() + biases[i], reverse=True)
        chosen = ranked[:top_k]
        total = sum(scores[i] for i in chosen)
        out = torch.zeros_like(x)
        for i in chosen:
            expert = self._swiglu(x, *(self.weights[f"{place}.experts.{p}_proj"][i] for p in PARTS))
            out = out + scores[i] / total * self.config.routed_scale * expert
        if self.config.num_shared_experts:
            shared = (self.weights[f"{place}.shared_experts.{p}_proj.weight"] for p in PARTS)
            out = out + self._swiglu(x, *shared)
        return out

    @staticmethod
    def _swiglu(x, gate, up, down):
        gated = gate @ x
        return down @ (gated / (1 + torch.exp(-gated)) * (up @ x))


PARTS = ("gate", "up", "down")
