/* From one projection's rows to attention's heads: queries and keys normed (RMSNorm over a head)
 * and turned (RoPE, half-split), values copied.
 *
 * A row of `rows` is [query heads | key heads | value heads], each `width` wide. Row r stands at
 * position r % length; `cosines` and `sines` are (length, width). */
#include "wide.h"

INLINE float inverse_rms(const void *row, i64 at, i64 width, float eps, int bf16) {
    wide squares = {0};
    for (i64 i = 0; i < width; i += WIDE) {
        wide value = take(row, at + i, width - i, bf16);
        squares += value * value;
    }
    return 1.0f / sqrtf(sum_wide(squares) / width + eps);
}

INLINE void forward_head(const void *rows, i64 from, void *heads, i64 to, const float *weight,
                         const float *cosines, const float *sines, i64 width, float eps,
                         int bf16) {
    i64 half = width / 2;
    float scale = inverse_rms(rows, from, width, eps, bf16);
    for (i64 i = 0; i < half; i += WIDE) {
        i64 left = half - i, j = half + i;
        wide first = take(rows, from + i, left, bf16) * take(weight, i, left, 0) * scale;
        wide second = take(rows, from + j, left, bf16) * take(weight, j, left, 0) * scale;
        wide turned_first = first * take(cosines, i, left, 0) - second * take(sines, i, left, 0);
        wide turned_second = second * take(cosines, j, left, 0) + first * take(sines, j, left, 0);
        give(heads, to + i, left, turned_first, bf16);
        give(heads, to + j, left, turned_second, bf16);
    }
}

INLINE void forward(const void *rows, const float *q_weight, const float *k_weight,
                    const float *cosines, const float *sines, void *q, void *k, void *v,
                    i64 count, i64 length, i64 queries, i64 keys, i64 width, float eps,
                    int bf16) {
    i64 stride = (queries + 2 * keys) * width;
#pragma omp parallel for schedule(static)
    for (i64 r = 0; r < count; r++) {
        const float *cosine = cosines + (r % length) * width, *sine = sines + (r % length) * width;
        i64 from = r * stride;
        for (i64 h = 0; h < queries; h++, from += width)
            forward_head(rows, from, q, (r * queries + h) * width, q_weight, cosine, sine, width,
                         eps, bf16);
        for (i64 h = 0; h < keys; h++, from += width)
            forward_head(rows, from, k, (r * keys + h) * width, k_weight, cosine, sine, width, eps,
                         bf16);
        for (i64 i = 0; i < keys * width; i++)
            store(v, r * keys * width + i, load(rows, from + i, bf16), bf16);
    }
}

void heads_forward(const void *rows, const float *q_weight, const float *k_weight,
                   const float *cosines, const float *sines, void *q, void *k, void *v, i64 count,
                   i64 length, i64 queries, i64 keys, i64 width, float eps, int bf16) {
    bf16 ? forward(rows, q_weight, k_weight, cosines, sines, q, k, v, count, length, queries, keys,
                   width, eps, 1)
         : forward(rows, q_weight, k_weight, cosines, sines, q, k, v, count, length, queries, keys,
                   width, eps, 0);
}

INLINE void backward_head(const void *grad, i64 to, const void *rows, void *d_rows, i64 from,
                          const float *weight, float *sums, float *turned, const float *cosines,
                          const float *sines, i64 width, float eps, int bf16) {
    i64 half = width / 2;
    float scale = inverse_rms(rows, from, width, eps, bf16);
    wide dots = {0};
    for (i64 i = 0; i < half; i += WIDE) {
        i64 left = half - i, j = half + i;
        wide first = take(grad, to + i, left, bf16), second = take(grad, to + j, left, bf16);
        give(turned, i, left,
             first * take(cosines, i, left, 0) + second * take(sines, j, left, 0), 0);
        give(turned, j, left,
             second * take(cosines, j, left, 0) - first * take(sines, i, left, 0), 0);
    }
    for (i64 i = 0; i < width; i += WIDE) {
        i64 left = width - i;
        wide normed = take(rows, from + i, left, bf16) * scale, d = take(turned, i, left, 0);
        give(sums, i, left, take(sums, i, left, 0) + d * normed, 0);
        d *= take(weight, i, left, 0);
        give(turned, i, left, d, 0);
        dots += d * normed;
    }
    float pull = sum_wide(dots) / width;
    for (i64 i = 0; i < width; i += WIDE) {
        wide normed = take(rows, from + i, width - i, bf16) * scale;
        give(d_rows, from + i, width - i,
             (take(turned, i, width - i, 0) - normed * pull) * scale, bf16);
    }
}

/* `partial` holds, per block of rows, the sums for both norm weights and scratch: 3 * width. */
INLINE void backward(const void *dq, const void *dk, const void *dv, const void *rows,
                     const float *q_weight, const float *k_weight, const float *cosines,
                     const float *sines, void *d_rows, float *partial, i64 count, i64 length,
                     i64 queries, i64 keys, i64 width, i64 blocks, float eps, int bf16) {
    i64 stride = (queries + 2 * keys) * width;
#pragma omp parallel for schedule(static)
    for (i64 b = 0; b < blocks; b++) {
        float *q_sums = partial + 3 * b * width, *k_sums = q_sums + width, *turned = k_sums + width;
        memset(q_sums, 0, 2 * sizeof(float) * width);
        for (i64 r = count * b / blocks; r < count * (b + 1) / blocks; r++) {
            const float *cosine = cosines + (r % length) * width;
            const float *sine = sines + (r % length) * width;
            i64 from = r * stride;
            for (i64 h = 0; h < queries; h++, from += width)
                backward_head(dq, (r * queries + h) * width, rows, d_rows, from, q_weight, q_sums,
                              turned, cosine, sine, width, eps, bf16);
            for (i64 h = 0; h < keys; h++, from += width)
                backward_head(dk, (r * keys + h) * width, rows, d_rows, from, k_weight, k_sums,
                              turned, cosine, sine, width, eps, bf16);
            for (i64 i = 0; i < keys * width; i++)
                store(d_rows, from + i, load(dv, r * keys * width + i, bf16), bf16);
        }
    }
}

void heads_backward(const void *dq, const void *dk, const void *dv, const void *rows,
                    const float *q_weight, const float *k_weight, const float *cosines,
                    const float *sines, void *d_rows, float *partial, i64 count, i64 length,
                    i64 queries, i64 keys, i64 width, i64 blocks, float eps, int bf16) {
    bf16 ? backward(dq, dk, dv, rows, q_weight, k_weight, cosines, sines, d_rows, partial, count,
                    length, queries, keys, width, blocks, eps, 1)
         : backward(dq, dk, dv, rows, q_weight, k_weight, cosines, sines, d_rows, partial, count,
                    length, queries, keys, width, blocks, eps, 0);
}
