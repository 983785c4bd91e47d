/* Tokens to expert order and back. R = tokens * top_k rows, one per (token, choice). */
#include "wide.h"

/* How many rows each expert gets. Where an id is none, its place is returned, otherwise -1. */
i64 count_choices(const int64_t *ids, int64_t *counts, i64 choices, i64 experts) {
    memset(counts, 0, sizeof(int64_t) * experts);
    for (i64 c = 0; c < choices; c++) {
        if ((uint64_t)ids[c] >= (uint64_t)experts) return c;
        counts[ids[c]]++;
    }
    return -1;
}

/* A stable counting sort by expert. `next` holds the first row of each expert and is used up;
 * `source` gives the choice of each row (-1, set by the caller, where a block is padded), `place`
 * the row of each choice. */
void sort_choices(const int64_t *ids, int64_t *next, int32_t *source, int32_t *place,
                  i64 choices) {
    for (i64 c = 0; c < choices; c++) {
        int64_t row = next[ids[c]]++;
        place[c] = (int32_t)row;
        source[row] = (int32_t)c;
    }
}

/* The token's row for every choice, zeros in padding. */
INLINE void gather(const void *tokens, const int32_t *source, void *rows, i64 count, i64 top_k,
                   i64 width, int x_bf16, int y_bf16) {
    i64 bytes = y_bf16 ? 2 : 4;
#pragma omp parallel for schedule(static)
    for (i64 r = 0; r < count; r++) {
        if (source[r] < 0) {
            memset((char *)rows + r * width * bytes, 0, width * bytes);
            continue;
        }
        i64 from = source[r] / top_k * width;
        for (i64 i = 0; i < width; i += WIDE)
            give(rows, r * width + i, width - i, take(tokens, from + i, width - i, x_bf16), y_bf16);
    }
}

void gather_tokens(const void *tokens, const int32_t *source, void *rows, i64 count, i64 top_k,
                   i64 width, int x_bf16, int y_bf16) {
    if (x_bf16)
        y_bf16 ? gather(tokens, source, rows, count, top_k, width, 1, 1)
               : gather(tokens, source, rows, count, top_k, width, 1, 0);
    else
        y_bf16 ? gather(tokens, source, rows, count, top_k, width, 0, 1)
               : gather(tokens, source, rows, count, top_k, width, 0, 0);
}

/* Each token's rows, weighed (or plainly added where `weights` is null), in the order of its
 * choices: the sum never depends on the sort. */
INLINE void combine(const void *rows, const int32_t *place, const float *weights, void *tokens,
                    i64 count, i64 top_k, i64 width, int x_bf16, int y_bf16) {
#pragma omp parallel for schedule(static)
    for (i64 n = 0; n < count; n++) {
        for (i64 i = 0; i < width; i += WIDE) {
            wide sum = {0};
            for (i64 k = 0; k < top_k; k++) {
                i64 from = (i64)place[n * top_k + k] * width + i;
                float w = weights ? weights[n * top_k + k] : 1.0f;
                sum += w * take(rows, from, width - i, x_bf16);
            }
            give(tokens, n * width + i, width - i, sum, y_bf16);
        }
    }
}

void combine_rows(const void *rows, const int32_t *place, const float *weights, void *tokens,
                  i64 count, i64 top_k, i64 width, int x_bf16, int y_bf16) {
    if (x_bf16)
        y_bf16 ? combine(rows, place, weights, tokens, count, top_k, width, 1, 1)
               : combine(rows, place, weights, tokens, count, top_k, width, 1, 0);
    else
        y_bf16 ? combine(rows, place, weights, tokens, count, top_k, width, 0, 1)
               : combine(rows, place, weights, tokens, count, top_k, width, 0, 0);
}
