/* From one projection's rows to attention's heads: queries and keys normed (RMSNorm over a head)
 * and turned (RoPE, half-split), values copied.
 *
 * A row of `rows` is [query heads | key heads | value heads], each `width` wide. Row r stands at
 * position r % length; `cosines` and `sines` are (length, width). */
#include "common.h"

INLINE float inverse_rms(const void *row, long at, long width, float eps, int bf16) {
    float squares = 0;
#pragma omp simd simdlen(16) reduction(+ : squares)
    for (long i = 0; i < width; i++) {
        float value = load(row, at + i, bf16);
        squares += value * value;
    }
    return 1.0f / sqrtf(squares / width + eps);
}

INLINE void forward_head(const void *rows, long from, void *heads, long to, const float *weight,
                         const float *cosines, const float *sines, long width, float eps,
                         int bf16) {
    long half = width / 2;
    float scale = inverse_rms(rows, from, width, eps, bf16);
#pragma omp simd simdlen(16)
    for (long i = 0; i < half; i++) {
        float first = load(rows, from + i, bf16) * scale * weight[i];
        float second = load(rows, from + half + i, bf16) * scale * weight[half + i];
        store(heads, to + i, first * cosines[i] - second * sines[i], bf16);
        store(heads, to + half + i, second * cosines[half + i] + first * sines[half + i], bf16);
    }
}

INLINE void forward(const void *rows, const float *q_weight, const float *k_weight,
                    const float *cosines, const float *sines, void *q, void *k, void *v,
                    long count, long length, long queries, long keys, long width, float eps,
                    int bf16) {
    long stride = (queries + 2 * keys) * width;
#pragma omp parallel for schedule(static)
    for (long r = 0; r < count; r++) {
        const float *cosine = cosines + (r % length) * width, *sine = sines + (r % length) * width;
        long from = r * stride;
        for (long h = 0; h < queries; h++, from += width)
            forward_head(rows, from, q, (r * queries + h) * width, q_weight, cosine, sine, width,
                         eps, bf16);
        for (long h = 0; h < keys; h++, from += width)
            forward_head(rows, from, k, (r * keys + h) * width, k_weight, cosine, sine, width, eps,
                         bf16);
        for (long i = 0; i < keys * width; i++)
            store(v, r * keys * width + i, load(rows, from + i, bf16), bf16);
    }
}

void heads_forward(const void *rows, const float *q_weight, const float *k_weight,
                   const float *cosines, const float *sines, void *q, void *k, void *v, long count,
                   long length, long queries, long keys, long width, float eps, int bf16) {
    bf16 ? forward(rows, q_weight, k_weight, cosines, sines, q, k, v, count, length, queries, keys,
                   width, eps, 1)
         : forward(rows, q_weight, k_weight, cosines, sines, q, k, v, count, length, queries, keys,
                   width, eps, 0);
}

INLINE void backward_head(const void *grad, long to, const void *rows, void *d_rows, long from,
                          const float *weight, float *sums, float *turned, const float *cosines,
                          const float *sines, long width, float eps, int bf16) {
    long half = width / 2;
    float scale = inverse_rms(rows, from, width, eps, bf16), dot = 0;
#pragma omp simd simdlen(16)
    for (long i = 0; i < half; i++) {
        float first = load(grad, to + i, bf16), second = load(grad, to + half + i, bf16);
        turned[i] = first * cosines[i] + second * sines[half + i];
        turned[half + i] = second * cosines[half + i] - first * sines[i];
    }
#pragma omp simd simdlen(16) reduction(+ : dot)
    for (long i = 0; i < width; i++) {
        float normed = load(rows, from + i, bf16) * scale;
        sums[i] += turned[i] * normed;
        turned[i] *= weight[i];
        dot += turned[i] * normed;
    }
    float pull = dot / width;
#pragma omp simd simdlen(16)
    for (long i = 0; i < width; i++)
        store(d_rows, from + i, scale * (turned[i] - load(rows, from + i, bf16) * scale * pull),
              bf16);
}

/* `partial` holds, per block of rows, the sums for both norm weights and scratch: 3 * width. */
INLINE void backward(const void *dq, const void *dk, const void *dv, const void *rows,
                     const float *q_weight, const float *k_weight, const float *cosines,
                     const float *sines, void *d_rows, float *partial, long count, long length,
                     long queries, long keys, long width, long blocks, float eps, int bf16) {
    long stride = (queries + 2 * keys) * width;
#pragma omp parallel for schedule(static)
    for (long b = 0; b < blocks; b++) {
        float *q_sums = partial + 3 * b * width, *k_sums = q_sums + width, *turned = k_sums + width;
        memset(q_sums, 0, 2 * sizeof(float) * width);
        for (long r = count * b / blocks; r < count * (b + 1) / blocks; r++) {
            const float *cosine = cosines + (r % length) * width;
            const float *sine = sines + (r % length) * width;
            long from = r * stride;
            for (long h = 0; h < queries; h++, from += width)
                backward_head(dq, (r * queries + h) * width, rows, d_rows, from, q_weight, q_sums,
                              turned, cosine, sine, width, eps, bf16);
            for (long h = 0; h < keys; h++, from += width)
                backward_head(dk, (r * keys + h) * width, rows, d_rows, from, k_weight, k_sums,
                              turned, cosine, sine, width, eps, bf16);
            for (long i = 0; i < keys * width; i++)
                store(d_rows, from + i, load(dv, r * keys * width + i, bf16), bf16);
        }
    }
}

void heads_backward(const void *dq, const void *dk, const void *dv, const void *rows,
                    const float *q_weight, const float *k_weight, const float *cosines,
                    const float *sines, void *d_rows, float *partial, long count, long length,
                    long queries, long keys, long width, long blocks, float eps, int bf16) {
    bf16 ? backward(dq, dk, dv, rows, q_weight, k_weight, cosines, sines, d_rows, partial, count,
                    length, queries, keys, width, blocks, eps, 1)
         : backward(dq, dk, dv, rows, q_weight, k_weight, cosines, sines, d_rows, partial, count,
                    length, queries, keys, width, blocks, eps, 0);
}
