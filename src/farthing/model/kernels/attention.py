"""Causal grouped-query attention within documents."""
from __future__ import annotations

from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from farthing.model.kernels.native import call, usable
@cache
def sizes(t, e):
    s = torch.zeros(2, dtype=torch.int64)
    call("attention_scratch", s, t, e)
    return s.tolist()

def fwd(q, k, v, starts):
    B, T, H, E = q.shape
    G = k.shape[2]
    out = torch.empty_like(q)
    lse = torch.empty(B, H, T)
    slots = min(B * G, torch.get_num_threads())
    size = sizes(T, E)[0]
    scratch = torch.empty(slots * size)
    call("attention_forward", q, k, v, starts, out, lse, scratch, slots, size, B, T, H, G, E, q.dtype == torch.bfloat16)
    return out, lse
