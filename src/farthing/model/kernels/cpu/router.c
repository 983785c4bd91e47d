/* Sigmoid routing: scores, the top-k of score plus bias, and their normalised weights. */
#include "wide.h"

/* The choices in falling order of key. Equal keys: the lower id first. A NaN goes before all, so
 * that it reaches the loss. */
INLINE void choose_experts(const float *keys, i64 experts, int64_t *ids, float *top, i64 top_k) {
    for (i64 e = 0; e < experts; e++) {
        float key = keys[e] != keys[e] ? INFINITY : keys[e];
        /* The first places fill up; after that the last choice has to give way. */
        if (e >= top_k && key <= top[top_k - 1]) continue;
        i64 k = e < top_k ? e : top_k - 1;
        for (; k > 0 && key > top[k - 1]; k--) {
            top[k] = top[k - 1];
            ids[k] = ids[k - 1];
        }
        top[k] = key;
        ids[k] = e;
    }
}

void route_forward(const float *logits, const float *bias, int64_t *ids, float *chosen,
                   float *weights, float *keys, i64 rows, i64 experts, i64 top_k,
                   float scale) {
#pragma omp parallel for schedule(static)
    for (i64 r = 0; r < rows; r++) {
        const float *row = logits + r * experts;
        float *key = keys + r * experts, *score = chosen + r * top_k, sum = 0;
        int64_t *id = ids + r * top_k;
        for (i64 e = 0; e < experts; e += WIDE) {
            wide scores = sigmoid_wide(take(row, e, experts - e, 0));
            give(key, e, experts - e, scores + take(bias, e, experts - e, 0), 0);
        }
        choose_experts(key, experts, id, score, top_k);
        for (i64 k = 0; k < top_k; k++) {
            score[k] = sigmoid(row[id[k]]);
            sum += score[k];
        }
        for (i64 k = 0; k < top_k; k++) weights[r * top_k + k] = score[k] / (sum + 1e-20f) * scale;
    }
}

void route_backward(const float *grad, const int64_t *ids, const float *chosen, float *d_logits,
                    i64 rows, i64 experts, i64 top_k, float scale) {
#pragma omp parallel for schedule(static)
    for (i64 r = 0; r < rows; r++) {
        const float *g = grad + r * top_k, *c = chosen + r * top_k;
        float *out = d_logits + r * experts, sum = 1e-20f, dot = 0;
        memset(out, 0, sizeof(float) * experts);
        for (i64 k = 0; k < top_k; k++) sum += c[k];
        for (i64 k = 0; k < top_k; k++) dot += g[k] * c[k] / sum;
        for (i64 k = 0; k < top_k; k++)
            out[ids[r * top_k + k]] = scale * (g[k] - dot) / sum * c[k] * (1.0f - c[k]);
    }
}
