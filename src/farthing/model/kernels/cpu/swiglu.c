/* SwiGLU on rows that hold gate and up side by side, (rows, 2 * inner). */
#include "wide.h"

INLINE void forward(const void *gate_up, void *hidden, i64 rows, i64 inner, int bf16) {
#pragma omp parallel for schedule(static)
    for (i64 r = 0; r < rows; r++) {
        i64 gate = 2 * r * inner, up = gate + inner;
        for (i64 i = 0; i < inner; i += WIDE) {
            wide g = take(gate_up, gate + i, inner - i, bf16);
            wide u = take(gate_up, up + i, inner - i, bf16);
            give(hidden, r * inner + i, inner - i, g * sigmoid_wide(g) * u, bf16);
        }
    }
}

void swiglu_forward(const void *gate_up, void *hidden, i64 rows, i64 inner, int bf16) {
    bf16 ? forward(gate_up, hidden, rows, inner, 1) : forward(gate_up, hidden, rows, inner, 0);
}

/* `grad` is with respect to the hidden rows; `d_gate_up` may be `gate_up` itself.
 *
 * With `weights` (one per row) the rows are one expert's, weighed after the down projection w*(D h):
 * then `grad` comes in without the weight, `weighed` receives w*h (what the down projection's
 * gradient needs) and `d_weights` receives grad . h (the weight's own gradient). */
INLINE void backward(const void *grad, const void *gate_up, const float *weights, void *d_gate_up,
                     void *weighed, float *d_weights, i64 rows, i64 inner, int bf16) {
#pragma omp parallel for schedule(static)
    for (i64 r = 0; r < rows; r++) {
        i64 gate = 2 * r * inner, up = gate + inner;
        float w = weights ? weights[r] : 1.0f;
        wide dots = {0};
        for (i64 i = 0; i < inner; i += WIDE) {
            i64 left = inner - i;
            wide g = take(gate_up, gate + i, left, bf16), u = take(gate_up, up + i, left, bf16);
            wide d = take(grad, r * inner + i, left, bf16);
            wide s = sigmoid_wide(g), swish = g * s, hidden = swish * u;
            dots += d * hidden;
            if (weights) give(weighed, r * inner + i, left, w * hidden, bf16);
            give(d_gate_up, gate + i, left, w * d * u * (s + swish * (1.0f - s)), bf16);
            give(d_gate_up, up + i, left, w * d * swish, bf16);
        }
        if (weights) d_weights[r] = sum_wide(dots);
    }
}

void swiglu_backward(const void *grad, const void *gate_up, const float *weights, void *d_gate_up,
                     void *weighed, float *d_weights, i64 rows, i64 inner, int bf16) {
    if (weights)
        bf16 ? backward(grad, gate_up, weights, d_gate_up, weighed, d_weights, rows, inner, 1)
             : backward(grad, gate_up, weights, d_gate_up, weighed, d_weights, rows, inner, 0);
    else
        bf16 ? backward(grad, gate_up, 0, d_gate_up, 0, 0, rows, inner, 1)
             : backward(grad, gate_up, 0, d_gate_up, 0, 0, rows, inner, 0);
}
