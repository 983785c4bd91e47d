/* Cross-entropy of rows of logits: the losses, and the logits turned into their gradient. */
#include "common.h"

/* `logits` becomes scale * (softmax - one-hot of the target); losses are -log softmax[target]. */
INLINE void in_place(void *logits, const int64_t *targets, float *losses, long rows, long width,
                     float scale, int bf16) {
#pragma omp parallel for schedule(static)
    for (long r = 0; r < rows; r++) {
        long at = r * width;
        float largest = load(logits, at, bf16), sum = 0;
#pragma omp simd reduction(max : largest)
        for (long i = 1; i < width; i++) {
            float value = load(logits, at + i, bf16);
            largest = value > largest ? value : largest;
        }
#pragma omp simd reduction(+ : sum)
        for (long i = 0; i < width; i++) sum += fast_exp(load(logits, at + i, bf16) - largest);
        float total = largest + logf(sum), target = load(logits, at + targets[r], bf16);
        losses[r] = total - target;
        float share = scale / sum;
#pragma omp simd
        for (long i = 0; i < width; i++)
            store(logits, at + i, fast_exp(load(logits, at + i, bf16) - largest) * share, bf16);
        store(logits, at + targets[r], (expf(target - total) - 1.0f) * scale, bf16);
    }
}

void cross_entropy_in_place(void *logits, const int64_t *targets, float *losses, long rows,
                            long width, float scale, int bf16) {
    bf16 ? in_place(logits, targets, losses, rows, width, scale, 1)
         : in_place(logits, targets, losses, rows, width, scale, 0);
}
