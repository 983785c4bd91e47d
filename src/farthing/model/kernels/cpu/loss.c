/* Cross-entropy of rows of logits: the losses, and the logits turned into their gradient. */
#include "common.h"

#define LANES 32

/* Side by side: one running maximum would be a chain that no compiler may reorder. A NaN is not
 * larger than anything; it reaches the loss through the sum. */
INLINE float maximum(const void *row, long at, long width, int bf16) {
    float lanes[LANES], largest;
    long i = 0;
    for (int lane = 0; lane < LANES; lane++) lanes[lane] = -INFINITY;
    for (; i + LANES <= width; i += LANES)
#pragma omp simd
        for (int lane = 0; lane < LANES; lane++) {
            float value = load(row, at + i + lane, bf16);
            lanes[lane] = select_float(value > lanes[lane], value, lanes[lane]);
        }
    largest = lanes[0];
    for (int lane = 1; lane < LANES; lane++)
        if (lanes[lane] > largest) largest = lanes[lane];
    for (; i < width; i++)
        if (load(row, at + i, bf16) > largest) largest = load(row, at + i, bf16);
    return largest;
}

/* `logits` becomes scale * (softmax - one-hot of the target); losses are -log softmax[target]. */
INLINE void in_place(void *logits, const int64_t *targets, float *losses, long rows, long width,
                     float scale, int bf16) {
#pragma omp parallel for schedule(static)
    for (long r = 0; r < rows; r++) {
        long at = r * width;
        float largest = maximum(logits, at, width, bf16), sum = 0;
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
