/* RMSNorm: y = x * rstd * weight, rstd = 1 / sqrt(mean(x^2) + eps), row by row. */
#include "common.h"

INLINE void forward(const void *x, const float *weight, void *y, float *rstd, long rows, long width,
                    float eps, int x_bf16, int y_bf16) {
#pragma omp parallel for schedule(static)
    for (long r = 0; r < rows; r++) {
        long at = r * width;
        float squares = 0;
#pragma omp simd simdlen(16) reduction(+ : squares)
        for (long i = 0; i < width; i++) {
            float value = load(x, at + i, x_bf16);
            squares += value * value;
        }
        float scale = 1.0f / sqrtf(squares / width + eps);
        rstd[r] = scale;
#pragma omp simd simdlen(16)
        for (long i = 0; i < width; i++)
            store(y, at + i, load(x, at + i, x_bf16) * scale * weight[i], y_bf16);
    }
}

void rms_norm_forward(const void *x, const float *weight, void *y, float *rstd, long rows,
                      long width, float eps, int x_bf16, int y_bf16) {
    if (x_bf16)
        y_bf16 ? forward(x, weight, y, rstd, rows, width, eps, 1, 1)
               : forward(x, weight, y, rstd, rows, width, eps, 1, 0);
    else
        y_bf16 ? forward(x, weight, y, rstd, rows, width, eps, 0, 1)
               : forward(x, weight, y, rstd, rows, width, eps, 0, 0);
}

/* dx = rstd * (g * w - x * rstd^2 * mean(g * w * x)); dweight sums g * x * rstd over the rows.
 * `partial` holds one row of `width` per block of rows, so that the sum has one order whatever the
 * number of threads. */
INLINE void backward(const void *grad, const void *x, const float *weight, const float *rstd,
                     void *dx, float *partial, long rows, long width, long blocks, int g_bf16,
                     int x_bf16) {
#pragma omp parallel for schedule(static)
    for (long b = 0; b < blocks; b++) {
        float *sums = partial + b * width;
        memset(sums, 0, sizeof(float) * width);
        for (long r = rows * b / blocks; r < rows * (b + 1) / blocks; r++) {
            long at = r * width;
            float scale = rstd[r], dot = 0;
#pragma omp simd simdlen(16) reduction(+ : dot)
            for (long i = 0; i < width; i++)
                dot += load(grad, at + i, g_bf16) * weight[i] * load(x, at + i, x_bf16);
            float pull = dot * scale * scale / width;
#pragma omp simd simdlen(16)
            for (long i = 0; i < width; i++) {
                float g = load(grad, at + i, g_bf16), value = load(x, at + i, x_bf16);
                sums[i] += g * value * scale;
                store(dx, at + i, scale * (g * weight[i] - value * pull), x_bf16);
            }
        }
    }
}

void rms_norm_backward(const void *grad, const void *x, const float *weight, const float *rstd,
                       void *dx, float *partial, long rows, long width, long blocks, int g_bf16,
                       int x_bf16) {
    if (g_bf16)
        x_bf16 ? backward(grad, x, weight, rstd, dx, partial, rows, width, blocks, 1, 1)
               : backward(grad, x, weight, rstd, dx, partial, rows, width, blocks, 1, 0);
    else
        x_bf16 ? backward(grad, x, weight, rstd, dx, partial, rows, width, blocks, 0, 1)
               : backward(grad, x, weight, rstd, dx, partial, rows, width, blocks, 0, 0);
}
