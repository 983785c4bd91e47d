/* The forward pass of attention: whole rows of scores for one block of queries at a time. */
#include "attention.h"

/* Rows of scores are not a power of two apart: those would compete for the same cache lines. */
INLINE i64 score_row(Shape n) { return n.Tp + LANES; }

/* Scores of a block, and the largest of each row, lane by lane. */
static void block_scores(float *s, vec top[BLOCK], const float *q, const float *panels,
                         const Sight *sight, Shape n) {
    for (int r = 0; r < BLOCK; r++)
        top[r] = (vec){0} - INFINITY;
    for (i64 key = sight->lowest; key < sight->highest; key += 2 * LANES)
        for (int g = 0; g < GROUPS; g++) {
            if (key >= sight->to[g] || key + 2 * LANES <= sight->from[g])
                continue;
            int vectors = key + LANES < sight->to[g] ? 2 : 1;
            vec acc[ROWS][2];
            float *rows = s + g * ROWS * score_row(n) + key;
            const float *queries = q + g * ROWS * n.W;
            if (vectors == 2)
                scores(acc, 2, queries, n.W, panels, n.E, sight, g, key);
            else
                scores(acc, 1, queries, n.W, panels, n.E, sight, g, key);
            UNROLL for (int r = 0; r < ROWS; r++) {
                put(rows + r * score_row(n), acc[r][0]);
                top[g * ROWS + r] = larger(top[g * ROWS + r], acc[r][0]);
                if (vectors == 2) {
                    put(rows + r * score_row(n) + LANES, acc[r][1]);
                    top[g * ROWS + r] = larger(top[g * ROWS + r], acc[r][1]);
                }
            }
        }
}

static void forward_block(const void *q, const int32_t *starts, void *out, float *lse,
                          const float *panels, const float *v_rows, float *scratch, i64 block,
                          Shape n, int bf16) {
    float *q_rows = scratch, *out_rows = q_rows + BLOCK * n.W, *s = out_rows + BLOCK * n.W;
    i64 here = n.T - block < BLOCK ? n.T - block : BLOCK, stride = n.H * n.E;
    Sight sight;
    look(&sight, starts, block, n.T);
    pack_rows((const char *)q + block * stride * (bf16 ? 2 : 4), stride,
              LOG2_E / sqrtf((float)n.E), q_rows, here, BLOCK, n.E, n.W, bf16);
    vec top[BLOCK], sum[BLOCK];
    float tops[BLOCK], sums[BLOCK];
    block_scores(s, top, q_rows, panels, &sight, n);
    for (int r = 0; r < BLOCK; r += LANES)
        put(tops + r, across(top + r, 1));
    for (int r = 0; r < BLOCK; r++) {
        float *row = s + r * score_row(n);
        sum[r] = (vec){0};
        for (i64 key = sight.from[r / ROWS]; key < sight.to[r / ROWS]; key += LANES) {
            vec p = exp2_vec(vec_at(row + key) - tops[r]);
            put(row + key, p);
            sum[r] += p;
        }
    }
    for (int r = 0; r < BLOCK; r += LANES)
        put(sums + r, across(sum + r, 0));
    memset(out_rows, 0, sizeof(float) * BLOCK * n.W);
    for (int g = 0; g < GROUPS; g++)
        product_wide(out_rows + g * ROWS * n.W, s + g * ROWS * score_row(n) + sight.from[g],
                     score_row(n), 1, v_rows + sight.from[g] * n.W, sight.to[g] - sight.from[g],
                     n.W);
    for (i64 r = 0; r < here; r++) {
        float share = 1.0f / sums[r];
        lse[block + r] = tops[r] + log2f(sums[r]);
        for (i64 e = 0; e < n.W; e += LANES)
            put(out_rows + r * n.W + e, vec_at(out_rows + r * n.W + e) * share);
    }
    unpack_rows((char *)out + block * stride * (bf16 ? 2 : 4), stride, 1, out_rows, here, n.E, n.W,
                bf16);
}

static void forward_task(const void *q, const void *k, const void *v, const int32_t *starts,
                         void *out, float *lse, float *scratch, i64 b, i64 g, Shape n, int bf16) {
    float *k_rows = scratch, *v_rows = k_rows + n.Tp * n.W, *panels = v_rows + n.Tp * n.W;
    i64 size = bf16 ? 2 : 4, keys = (b * n.T * n.G + g) * n.E * size;
    pack_rows((const char *)k + keys, n.G * n.E, 1, k_rows, n.T, n.Tp, n.E, n.W, bf16);
    pack_rows((const char *)v + keys, n.G * n.E, 1, v_rows, n.T, n.Tp, n.E, n.W, bf16);
    pack_panels(k_rows, panels, n.Tp, n.E, n.W);
    for (i64 h = g * (n.H / n.G); h < (g + 1) * (n.H / n.G); h++) {
        i64 head = (b * n.T * n.H + h) * n.E * size;
        for (i64 block = 0; block < n.T; block += BLOCK)
            forward_block((const char *)q + head, starts ? starts + b * n.T : 0, (char *)out + head,
                          lse + (b * n.H + h) * n.T, panels, v_rows, panels + n.Tp * n.E, block, n,
                          bf16);
    }
}

/* How many floats of scratch one task needs. */
void attention_forward_scratch(int64_t *floats, i64 T, i64 E) {
    Shape n = shape_of(T, 1, 1, E);
    *floats = 2 * n.Tp * n.W + n.Tp * n.E + BLOCK * (2 * n.W + score_row(n));
}

/* `lse`, (B, H, T), is the log2 of the sum of the exponentials of the scores. Slot after slot of
 * `scratch` belongs to one thread at a time. */
void attention_forward(const void *q, const void *k, const void *v, const int32_t *starts,
                       void *out, float *lse, float *scratch, i64 slots, i64 size, i64 B, i64 T,
                       i64 H, i64 G, i64 E, int bf16) {
    Shape n = shape_of(T, H, G, E);
#pragma omp parallel for schedule(static)
    for (i64 slot = 0; slot < slots; slot++)
        for (i64 task = slot; task < B * G; task += slots)
            forward_task(q, k, v, starts, out, lse, scratch + slot * size, task / G, task % G, n,
                         bf16);
}
