"""Small models in plain torch, written from the papers: what the counts are compared with.

Nothing of farthing is used here. Shapes: N tokens of one sequence, D width, H heads, E head width.
"""

import torch
import torch.nn.functional as F
from torch import nn


def causal(tokens_N, window=None):
    """(N, N), True where a query may look."""
    places = torch.arange(len(tokens_N))
    behind = places[:, None] - places[None]
    return (behind >= 0) & (behind < (window or len(tokens_N)))


class LatentAttention(nn.Module):
    """MLA as arXiv 2405.04434 section 2.1 writes it, with explicit scores."""

    def __init__(self, width, heads, query_rank, kv_rank, plain, rotary, value):
        super().__init__()
        self.heads, self.kv_rank, self.sizes = heads, kv_rank, (plain, rotary, value)
        queries = heads * (plain + rotary)
        if query_rank is None:
            self.queries = nn.Linear(width, queries, bias=False)
        else:
            self.queries = nn.Sequential(
                nn.Linear(width, query_rank, bias=False),
                nn.RMSNorm(query_rank),
                nn.Linear(query_rank, queries, bias=False),
            )
        self.down = nn.Linear(width, kv_rank + rotary, bias=False)
        self.norm = nn.RMSNorm(kv_rank)
        self.up = nn.Linear(kv_rank, heads * (plain + value), bias=False)
        self.out = nn.Linear(heads * value, width, bias=False)

    def forward(self, x_ND, mask_NN):
        plain, rotary, value = self.sizes
        q_HNE = self.queries(x_ND).view(len(x_ND), self.heads, -1).transpose(0, 1)
        short, turned = self.down(x_ND).split([self.kv_rank, rotary], dim=-1)
        wide = self.up(self.norm(short)).view(len(x_ND), self.heads, plain + value)
        keys, values = wide.transpose(0, 1).split([plain, value], dim=-1)
        keys = torch.cat((keys, turned[None].expand(self.heads, -1, -1)), dim=-1)
        scores = torch.bmm(q_HNE, keys.transpose(1, 2)).masked_fill(~mask_NN, -torch.inf)
        out = torch.bmm(scores.softmax(-1), values)
        return self.out(out.transpose(0, 1).flatten(1))


class GroupedAttention(nn.Module):
    """GQA, with or without biases."""

    def __init__(self, width, heads, kv_heads, head_dim, biases="none"):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, head_dim
        inputs, output = biases != "none", biases == "all"
        self.q = nn.Linear(width, heads * head_dim, bias=inputs)
        self.k = nn.Linear(width, kv_heads * head_dim, bias=inputs)
        self.v = nn.Linear(width, kv_heads * head_dim, bias=inputs)
        self.out = nn.Linear(heads * head_dim, width, bias=output)

    def forward(self, x_ND, mask_NN):
        def heads(rows, count):
            split = rows.view(len(x_ND), count, self.head_dim).transpose(0, 1)
            return split.repeat_interleave(self.heads // count, dim=0)

        q, k = heads(self.q(x_ND), self.heads), heads(self.k(x_ND), self.kv_heads)
        scores = torch.bmm(q, k.transpose(1, 2)).masked_fill(~mask_NN, -torch.inf)
        out = torch.bmm(scores.softmax(-1), heads(self.v(x_ND), self.kv_heads))
        return self.out(out.transpose(0, 1).flatten(1))


class MixtureAttention(nn.Module):
    """JetMoE's (arXiv 2404.07413, section 2.3): each expert its queries and outputs.

    Every token visits the first `top_k` experts: which ones is no matter of counts.
    """

    def __init__(self, width, experts, top_k, heads, kv_heads, head_dim):
        super().__init__()
        self.top_k, self.heads, self.head_dim = top_k, heads, head_dim
        self.router = nn.Linear(width, experts, bias=False)
        self.queries = nn.ParameterList(
            torch.randn(heads * head_dim, width) for _ in range(experts)
        )
        self.outputs = nn.ParameterList(
            torch.randn(width, heads * head_dim) for _ in range(experts)
        )
        self.kv = nn.Linear(width, 2 * kv_heads * head_dim, bias=False)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x_ND, mask_NN):
        weights = self.router(x_ND).softmax(-1)
        k, v = self.kv(x_ND).view(len(x_ND), -1, 2, self.head_dim).permute(2, 1, 0, 3)
        total = self.bias.expand_as(x_ND)
        for expert in range(self.top_k):
            rows = F.linear(x_ND, self.queries[expert]).view(len(x_ND), self.heads, -1)
            scores = torch.bmm(rows.transpose(0, 1), k.transpose(1, 2))
            out = torch.bmm(scores.masked_fill(~mask_NN, -torch.inf).softmax(-1), v)
            out = F.linear(out.transpose(0, 1).flatten(1), self.outputs[expert])
            total = total + weights[:, expert, None] * out
        return total


class FeedForward(nn.Module):
    """SwiGLU or two matrices."""

    def __init__(self, width, inner, gated=True, biases=False):
        super().__init__()
        self.gate = nn.Linear(width, inner, bias=biases) if gated else None
        self.up = nn.Linear(width, inner, bias=biases)
        self.down = nn.Linear(inner, width, bias=biases)

    def forward(self, x_ND):
        up = self.up(x_ND)
        return self.down(F.gelu(up) if self.gate is None else F.silu(self.gate(x_ND)) * up)


class Experts(nn.Module):
    """Routed and shared experts; every token visits the first `top_k`."""

    def __init__(self, width, experts, top_k, inner, shared=0):
        super().__init__()
        self.top_k = top_k
        self.router = nn.Linear(width, experts, bias=False)
        self.experts = nn.ModuleList(FeedForward(width, inner) for _ in range(experts))
        self.shared = FeedForward(width, shared) if shared else None

    def forward(self, x_ND):
        weights = self.router(x_ND).sigmoid()
        out = sum(weights[:, e, None] * self.experts[e](x_ND) for e in range(self.top_k))
        return out if self.shared is None else out + self.shared(x_ND)


class Layer(nn.Module):
    def __init__(self, width, attention, block, norm=nn.RMSNorm, window=None):
        super().__init__()
        self.norms = nn.ModuleList((norm(width), norm(width)))
        self.attention, self.block, self.window = attention, block, window

    def forward(self, x_ND):
        mask_NN = causal(x_ND, self.window)
        x_ND = x_ND + self.attention(self.norms[0](x_ND), mask_NN)
        return x_ND + self.block(self.norms[1](x_ND))


class Decoder(nn.Module):
    """Layers between an embedding and an output matrix."""

    def __init__(self, width, vocabulary, layers, *, tied=False, positions=0, norm=nn.RMSNorm):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(positions, width) if positions else None
        self.layers = nn.ModuleList(layers)
        self.norm = norm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)
        if tied:
            self.head.weight = self.embedding.weight

    def hidden(self, tokens_N):
        x_ND = self.embedding(tokens_N)
        if self.positions is not None:
            x_ND = x_ND + self.positions.weight[: len(tokens_N)]
        for layer in self.layers:
            x_ND = layer(x_ND)
        return x_ND

    def forward(self, tokens_N):
        return self.head(self.norm(self.hidden(tokens_N)))


class ExtraPrediction(nn.Module):
    """One MTP depth as arXiv 2412.19437 section 2.2 writes it, on a model's embedding and head."""

    def __init__(self, model, width, layer, norm=nn.RMSNorm):
        super().__init__()
        self.model, self.layer = [model], layer  # in a list: its weights are not this module's
        self.norms = nn.ModuleList(norm(width) for _ in range(3))
        self.join = nn.Linear(2 * width, width, bias=False)

    def forward(self, tokens_N, next_N):
        (model,) = self.model
        both = (self.norms[0](model.hidden(tokens_N)), self.norms[1](model.embedding(next_N)))
        return model.head(self.norms[2](self.layer(self.join(torch.cat(both, dim=-1)))))
