/* RMSNorm: y = x * rstd * weight, rstd = 1 / sqrt(mean(x^2) + eps), row by row. */
#include "wide.h"

INLINE void forward(const void *x, const float *weight, void *y, float *rstd, i64 rows, i64 width,
                    float eps, int x_bf16, int y_bf16) {
#pragma omp parallel for schedule(static)
    for (i64 r = 0; r < rows; r++) {
        i64 at = r * width;
        wide squares = {0};
        for (i64 i = 0; i < width; i += WIDE) {
            wide value = take(x, at + i, width - i, x_bf16);
            squares += value * value;
        }
        float scale = 1.0f / sqrtf(sum_wide(squares) / width + eps);
        rstd[r] = scale;
        for (i64 i = 0; i < width; i += WIDE) {
            wide value = take(x, at + i, width - i, x_bf16) * scale;
            give(y, at + i, width - i, value * take(weight, i, width - i, 0), y_bf16);
        }
    }
}

void rms_norm_forward(const void *x, const float *weight, void *y, float *rstd, i64 rows,
                      i64 width, float eps, int x_bf16, int y_bf16) {
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
                     void *dx, float *partial, i64 rows, i64 width, i64 blocks, int g_bf16,
                     int x_bf16) {
#pragma omp parallel for schedule(static)
    for (i64 b = 0; b < blocks; b++) {
        float *sums = partial + b * width;
        memset(sums, 0, sizeof(float) * width);
        for (i64 r = rows * b / blocks; r < rows * (b + 1) / blocks; r++) {
            i64 at = r * width;
            wide dots = {0};
            for (i64 i = 0; i < width; i += WIDE)
                dots += take(grad, at + i, width - i, g_bf16) * take(weight, i, width - i, 0) *
                        take(x, at + i, width - i, x_bf16);
            float scale = rstd[r], pull = sum_wide(dots) * scale * scale / width;
            for (i64 i = 0; i < width; i += WIDE) {
                i64 left = width - i;
                wide g = take(grad, at + i, left, g_bf16), value = take(x, at + i, left, x_bf16);
                give(sums, i, left, take(sums, i, left, 0) + g * value * scale, 0);
                wide d = scale * (g * take(weight, i, left, 0) - value * pull);
                give(dx, at + i, left, d, x_bf16);
            }
        }
    }
}

void rms_norm_backward(const void *grad, const void *x, const float *weight, const float *rstd,
                       void *dx, float *partial, i64 rows, i64 width, i64 blocks, int g_bf16,
                       int x_bf16) {
    if (g_bf16)
        x_bf16 ? backward(grad, x, weight, rstd, dx, partial, rows, width, blocks, 1, 1)
               : backward(grad, x, weight, rstd, dx, partial, rows, width, blocks, 1, 0);
    else
        x_bf16 ? backward(grad, x, weight, rstd, dx, partial, rows, width, blocks, 0, 1)
               : backward(grad, x, weight, rstd, dx, partial, rows, width, blocks, 0, 0);
}
