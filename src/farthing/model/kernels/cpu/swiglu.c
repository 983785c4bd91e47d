/* SwiGLU on rows that hold gate and up side by side, (rows, 2 * inner). */
#include "common.h"

INLINE void forward(const void *gate_up, void *hidden, long rows, long inner, int bf16) {
#pragma omp parallel for schedule(static)
    for (long r = 0; r < rows; r++) {
        long gate = 2 * r * inner, up = gate + inner;
#pragma omp simd simdlen(16)
        for (long i = 0; i < inner; i++) {
            float g = load(gate_up, gate + i, bf16);
            store(hidden, r * inner + i, g * sigmoid(g) * load(gate_up, up + i, bf16), bf16);
        }
    }
}

void swiglu_forward(const void *gate_up, void *hidden, long rows, long inner, int bf16) {
    bf16 ? forward(gate_up, hidden, rows, inner, 1) : forward(gate_up, hidden, rows, inner, 0);
}

/* `grad` is with respect to the hidden rows; `d_gate_up` may be `gate_up` itself.
 *
 * With `weights` (one per row) the rows are one expert's, weighed after the down projection w*(D h):
 * then `grad` comes in without the weight, `weighed` receives w*h (what the down projection's
 * gradient needs) and `d_weights` receives grad . h (the weight's own gradient). */
INLINE void backward(const void *grad, const void *gate_up, const float *weights, void *d_gate_up,
                     void *weighed, float *d_weights, long rows, long inner, int bf16) {
#pragma omp parallel for schedule(static)
    for (long r = 0; r < rows; r++) {
        long gate = 2 * r * inner, up = gate + inner;
        float w = weights ? weights[r] : 1.0f, dot = 0;
#pragma omp simd simdlen(16) reduction(+ : dot)
        for (long i = 0; i < inner; i++) {
            float g = load(gate_up, gate + i, bf16), u = load(gate_up, up + i, bf16);
            float d = load(grad, r * inner + i, bf16);
            float s = sigmoid(g), swish = g * s, hidden = swish * u;
            dot += d * hidden;
            if (weights) store(weighed, r * inner + i, w * hidden, bf16);
            store(d_gate_up, gate + i, w * d * u * (s + swish * (1.0f - s)), bf16);
            store(d_gate_up, up + i, w * d * swish, bf16);
        }
        if (weights) d_weights[r] = dot;
    }
}

void swiglu_backward(const void *grad, const void *gate_up, const float *weights, void *d_gate_up,
                     void *weighed, float *d_weights, long rows, long inner, int bf16) {
    if (weights)
        bf16 ? backward(grad, gate_up, weights, d_gate_up, weighed, d_weights, rows, inner, 1)
             : backward(grad, gate_up, weights, d_gate_up, weighed, d_weights, rows, inner, 0);
    else
        bf16 ? backward(grad, gate_up, 0, d_gate_up, 0, 0, rows, inner, 1)
             : backward(grad, gate_up, 0, d_gate_up, 0, 0, rows, inner, 0);
}
