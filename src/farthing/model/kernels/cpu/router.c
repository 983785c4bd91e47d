/* Sigmoid routing: scores, the top-k of score plus bias, and their normalised weights. */
#include "common.h"

/* Equal scores go to the lower id. A NaN score sorts as largest, so that it reaches the loss. */
void route_forward(const float *logits, const float *bias, int64_t *ids, float *chosen,
                   float *weights, float *scratch, long rows, long experts, long top_k,
                   float scale) {
#pragma omp parallel for schedule(static)
    for (long r = 0; r < rows; r++) {
        const float *row = logits + r * experts;
        float *key = scratch + r * experts, sum = 0;
#pragma omp simd simdlen(16)
        for (long e = 0; e < experts; e++) key[e] = sigmoid(row[e]) + bias[e];
        for (long k = 0; k < top_k; k++) {
            long best = 0;
            for (long e = 1; e < experts; e++)
                if (key[e] > key[best] || key[e] != key[e]) best = e;
            key[best] = -INFINITY;
            ids[r * top_k + k] = best;
            float score = sigmoid(row[best]);
            chosen[r * top_k + k] = score;
            sum += score;
        }
        for (long k = 0; k < top_k; k++)
            weights[r * top_k + k] = chosen[r * top_k + k] / (sum + 1e-20f) * scale;
    }
}

void route_backward(const float *grad, const int64_t *ids, const float *chosen, float *d_logits,
                    long rows, long experts, long top_k, float scale) {
#pragma omp parallel for schedule(static)
    for (long r = 0; r < rows; r++) {
        const float *g = grad + r * top_k, *c = chosen + r * top_k;
        float *out = d_logits + r * experts, sum = 1e-20f, dot = 0;
        memset(out, 0, sizeof(float) * experts);
        for (long k = 0; k < top_k; k++) sum += c[k];
        for (long k = 0; k < top_k; k++) dot += g[k] * c[k] / sum;
        for (long k = 0; k < top_k; k++)
            out[ids[r * top_k + k]] = scale * (g[k] - dot) / sum * c[k] * (1.0f - c[k]);
    }
}
