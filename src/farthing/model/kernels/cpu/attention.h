/* Causal grouped-query attention within documents: no mask and no square of scores in memory.
 *
 * Shapes: B sequences, T positions, H query heads, G key heads, E head width; W is E padded to
 * whole vectors. Tensors are token-major, (B, T, heads, E). The keys and values of one (sequence,
 * key head) are one task: its gradients have one writer and one order of additions, whatever the
 * number of threads. A task works on float32 copies in scratch, padded with zeros:
 *
 *     rows      (T, W)              product over positions
 *     panels    (T / LANES, E, LANES)   transposed, product over E: consecutive in use
 *
 * Queries go in blocks of BLOCK rows, and every product is of ROWS rows by one or two vectors.
 * Scores are in units of log 2, so that exponentials need no constant of their own. */
#ifndef FARTHING_ATTENTION_H
#define FARTHING_ATTENTION_H

#include "common.h"
#include <math.h>

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX__)
#define LANES 8
#else
#define LANES 4
#endif
/* Accumulators, two per row, have to fit in the registers: of 16 or of 32. */
#if defined(__AVX512F__) || !defined(__x86_64__)
#define ROWS 8
#else
#define ROWS 4
#endif
#define BLOCK 32
#define GROUPS (BLOCK / ROWS)
#define KEYS 32 /* keys of one tile in the backward pass */
#define AHEAD 8 /* rows fetched before they are needed */
#define LOG2_E 1.44269504f
#define LN_2 0.693147181f

#define UNROLL _Pragma("GCC unroll 8")

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));

#if LANES == 16
#define LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define COUNT 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
#elif LANES == 8
#define LOW 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH 4, 12, 5, 13, 6, 14, 7, 15
#define COUNT 0, 1, 2, 3, 4, 5, 6, 7
#else
#define LOW 0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#define COUNT 0, 1, 2, 3
#endif
/* The lower or higher halves of two vectors, alternating. */
#ifdef __clang__
#define WEAVE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define WEAVE(a, b, ...) __builtin_shuffle(a, b, (ivec){__VA_ARGS__})
#endif

INLINE vec vec_at(const float *data) {
    vec value;
    memcpy(&value, data, sizeof value);
    return value;
}

INLINE void put(float *data, vec value) { memcpy(data, &value, sizeof value); }

INLINE vec pick(ivec mask, vec yes, vec no) {
    return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}

/* 2^x, relative error below 3e-7; 0 below 2^-126; a NaN stays a NaN. Rounding goes through the
 * bits: (x + c) - c may be simplified to x under the flags that these kernels are compiled with. */
INLINE vec exp2_vec(vec x) {
    ivec shifted = (ivec)(x + 12582912.0f);
    vec rest = x - __builtin_convertvector(shifted - 0x4b400000, vec);
    vec p = rest * 1.3276471e-3f + 9.6755413e-3f;
    p = p * rest + 5.5507133e-2f;
    p = p * rest + 2.4022120e-1f;
    p = p * rest + 6.9314697e-1f;
    p = p * rest + 1.0f;
    vec power = p * (vec)((shifted + 127) << 23);
    return (vec)((ivec)power & ~(x < -126.0f));
}

INLINE vec larger(vec a, vec b) { return pick(a > b, a, b); }

/* One number per row out of one vector per row: `rows` is used up. */
INLINE vec across(vec rows[LANES], int maximum) {
    for (int count = LANES / 2; count; count /= 2)
        for (int i = 0; i < count; i++) {
            vec low = WEAVE(rows[i], rows[i + count], LOW);
            vec high = WEAVE(rows[i], rows[i + count], HIGH);
            rows[i] = maximum ? larger(low, high) : low + high;
        }
    return rows[0];
}

/* The rows of one head lie apart, among those of the others: hardware does not fetch them ahead.
 * Past the end of a tensor this does nothing. */
INLINE void prefetch_row(const void *data, i64 at, i64 width, int bf16, int writing) {
    const char *row = (const char *)data + at * (bf16 ? 2 : 4);
    for (i64 byte = 0; byte < width * (bf16 ? 2 : 4); byte += 64)
        writing ? __builtin_prefetch(row + byte, 1) : __builtin_prefetch(row + byte, 0);
}

/* (length, E) at `stride` to zero-padded float32 rows (until, W), times `factor`. */
INLINE void pack_body(const void *data, i64 stride, float factor, float *rows, i64 length,
                      i64 until, i64 width, i64 padded, int bf16) {
    for (i64 t = 0; t < until; t++, rows += padded) {
        i64 filled = t < length ? width : 0, e = 0, row = t * stride;
        prefetch_row(data, row + AHEAD * stride, width, bf16, 0);
        /* A fixed number of steps inside: vectors without their preparations. */
        for (; e + LANES <= filled; e += LANES)
            for (int i = 0; i < LANES; i++)
                rows[e + i] = load(data, row + e + i, bf16) * factor;
        for (; e < padded; e++)
            rows[e] = e < filled ? load(data, row + e, bf16) * factor : 0;
    }
}

static void pack_rows(const void *data, i64 stride, float factor, float *rows, i64 length,
                      i64 until, i64 width, i64 padded, int bf16) {
    bf16 ? pack_body(data, stride, factor, rows, length, until, width, padded, 1)
         : pack_body(data, stride, factor, rows, length, until, width, padded, 0);
}

/* The way back: rows (length, W) to (length, E) at `stride`, times `factor`. */
INLINE void unpack_body(void *data, i64 stride, float factor, const float *rows, i64 length,
                        i64 width, i64 padded, int bf16) {
    for (i64 t = 0; t < length; t++, rows += padded) {
        i64 e = 0, row = t * stride;
        prefetch_row(data, row + AHEAD * stride, width, bf16, 1);
        for (; e + LANES <= width; e += LANES)
            for (int i = 0; i < LANES; i++)
                store(data, row + e + i, rows[e + i] * factor, bf16);
        for (; e < width; e++)
            store(data, row + e, rows[e] * factor, bf16);
    }
}

static void unpack_rows(void *data, i64 stride, float factor, const float *rows, i64 length,
                        i64 width, i64 padded, int bf16) {
    bf16 ? unpack_body(data, stride, factor, rows, length, width, padded, 1)
         : unpack_body(data, stride, factor, rows, length, width, padded, 0);
}

/* Rows (T, W) to panels (T / LANES, E, LANES). */
static void pack_panels(const float *rows, float *panels, i64 length, i64 width, i64 padded) {
    for (i64 t = 0; t < length; t += LANES, rows += LANES * padded, panels += LANES * width)
        for (i64 e = 0; e < width; e += LANES) {
            vec from[LANES], to[LANES];
            UNROLL for (int i = 0; i < LANES; i++) from[i] = vec_at(rows + i * padded + e);
            for (int count = 1; count < LANES; count *= 2) {
                for (int i = 0; i < LANES / 2; i++) {
                    to[2 * i] = WEAVE(from[i], from[i + LANES / 2], LOW);
                    to[2 * i + 1] = WEAVE(from[i], from[i + LANES / 2], HIGH);
                }
                memcpy(from, to, sizeof from);
            }
            for (i64 i = 0; i < LANES && e + i < width; i++)
                put(panels + (e + i) * LANES, from[i]);
        }
}

/* acc[r] += sum over i < steps of a[r, i] * b[i], for ROWS rows and one or two vectors. */
INLINE void product(vec acc[ROWS][2], int vectors, const float *a, i64 a_row, i64 a_step,
                    const float *b, i64 b_vector, i64 b_step, i64 steps) {
    for (i64 i = 0; i < steps; i++, a += a_step, b += b_step) {
        vec first = vec_at(b), second = vectors == 2 ? vec_at(b + b_vector) : first;
        UNROLL for (int r = 0; r < ROWS; r++) {
            float value = a[r * a_row];
            acc[r][0] += value * first;
            if (vectors == 2)
                acc[r][1] += value * second;
        }
    }
}

/* c += a b, a piece of `vectors` columns of it. */
INLINE void product_onto(float *c, i64 c_row, int vectors, const float *a, i64 a_row,
                         i64 a_step, const float *b, i64 b_step, i64 steps) {
    vec acc[ROWS][2];
    UNROLL for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < vectors; v++)
            acc[r][v] = vec_at(c + r * c_row + v * LANES);
    product(acc, vectors, a, a_row, a_step, b, LANES, b_step, steps);
    UNROLL for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < vectors; v++)
            put(c + r * c_row + v * LANES, acc[r][v]);
}

/* c (ROWS, W) += a (ROWS, steps) b (steps, W). */
INLINE void product_wide(float *c, const float *a, i64 a_row, i64 a_step, const float *b,
                         i64 steps, i64 padded) {
    i64 e = 0;
    for (; e + 2 * LANES <= padded; e += 2 * LANES)
        product_onto(c + e, padded, 2, a, a_row, a_step, b + e, padded, steps);
    if (e < padded)
        product_onto(c + e, padded, 1, a, a_row, a_step, b + e, padded, steps);
}

/* Which keys the queries of a block see: each row from `first` to `last`; each group of ROWS rows
 * nothing outside of from..to, and all of it inside of full_from..full_to (ends excluded). */
typedef struct {
    int32_t first[BLOCK], last[BLOCK];
    i64 from[GROUPS], to[GROUPS], full_from[GROUPS], full_to[GROUPS];
    i64 lowest, highest;
} Sight;

/* Apart from its callers: inlined, gcc 12 stores to `first` with more alignment than it gave it. */
static __attribute__((noinline)) void look(Sight *sight, const int32_t *starts, i64 block,
                                           i64 length) {
    sight->lowest = length, sight->highest = 0;
    for (int g = 0; g < GROUPS; g++) {
        i64 from = length, to = 0, full_from = 0, full_to = length;
        for (int r = g * ROWS; r < (g + 1) * ROWS; r++) {
            i64 t = block + r;
            /* A row past the end sees nothing. */
            i64 end = t < length ? t + 1 : 0, first = starts && end ? starts[t] : 0;
            /* Before the first key there is none: nothing is read there. */
            first = first > 0 ? first : 0;
            first = end ? first : length;
            sight->first[r] = first, sight->last[r] = end - 1;
            from = first < from ? first : from, to = end > to ? end : to;
            full_from = first > full_from ? first : full_from;
            full_to = end < full_to ? end : full_to;
        }
        sight->from[g] = from / LANES * LANES, sight->to[g] = to;
        sight->full_from[g] = full_from, sight->full_to[g] = full_to;
        sight->lowest = sight->from[g] < sight->lowest ? sight->from[g] : sight->lowest;
        sight->highest = to > sight->highest ? to : sight->highest;
    }
}

/* Scores of ROWS queries (rows q) with one or two vectors of keys; -infinity where not seen. */
INLINE void scores(vec acc[ROWS][2], int vectors, const float *q, i64 padded, const float *panels,
                   i64 width, const Sight *sight, int group, i64 key) {
    UNROLL for (int r = 0; r < ROWS; r++) acc[r][0] = acc[r][1] = (vec){0};
    product(acc, vectors, q, padded, 1, panels + key * width, width * LANES, LANES, width);
    if (key >= sight->full_from[group] && key + vectors * LANES <= sight->full_to[group])
        return;
    for (int v = 0; v < vectors; v++) {
        ivec keys = (ivec){COUNT} + (int32_t)(key + v * LANES);
        UNROLL for (int r = 0; r < ROWS; r++) {
            int row = group * ROWS + r;
            ivec hidden = (keys < sight->first[row]) | (keys > sight->last[row]);
            acc[r][v] = pick(hidden, (vec){0} - INFINITY, acc[r][v]);
        }
    }
}

typedef struct {
    i64 T, H, G, E, W, Tp; /* Tp: T up to whole blocks and vectors */
} Shape;

INLINE Shape shape_of(i64 T, i64 H, i64 G, i64 E) {
    i64 whole = BLOCK > LANES ? BLOCK : LANES;
    return (Shape){T, H, G, E, (E + LANES - 1) / LANES * LANES, (T + whole - 1) / whole * whole};
}

#endif
