/* Cross-entropy of rows of logits: the losses, and the logits turned into their gradient. */
#include "wide.h"

/* Losses are -log softmax[target]; with a `scale`, `logits` becomes their gradient, which is
 * scale * (softmax - one-hot of the target), and without (0) it stays.
 * A NaN is larger than nothing: it reaches the loss through the sum. */
INLINE void in_place(void *logits, const int64_t *targets, float *losses, i64 rows, i64 width,
                     float scale, int bf16) {
    i64 whole = width / WIDE * WIDE;
#pragma omp parallel for schedule(static)
    for (i64 r = 0; r < rows; r++) {
        i64 at = r * width;
        wide most = (wide){0} - INFINITY, sums = {0};
        for (i64 i = 0; i < whole; i += WIDE) {
            wide value = take(logits, at + i, WIDE, bf16);
            most = pick_wide(value > most, value, most);
        }
        float largest = largest_of(most), rest = 0;
        for (i64 i = whole; i < width; i++)
            if (load(logits, at + i, bf16) > largest) largest = load(logits, at + i, bf16);
        for (i64 i = 0; i < whole; i += WIDE)
            sums += exp_wide(take(logits, at + i, WIDE, bf16) - largest);
        for (i64 i = whole; i < width; i++) rest += fast_exp(load(logits, at + i, bf16) - largest);
        float sum = sum_wide(sums) + rest, share = scale / sum;
        /* Not largest + log(sum): of large logits that sum would lose the loss's last digits. */
        float loss = logf(sum) - AS_WRITTEN(load(logits, at + targets[r], bf16) - largest);
        losses[r] = loss;
        if (scale == 0) continue;
        for (i64 i = 0; i < whole; i += WIDE)
            give(logits, at + i, WIDE,
                 exp_wide(take(logits, at + i, WIDE, bf16) - largest) * share, bf16);
        for (i64 i = whole; i < width; i++)
            store(logits, at + i, fast_exp(load(logits, at + i, bf16) - largest) * share, bf16);
        store(logits, at + targets[r], (expf(-loss) - 1.0f) * scale, bf16);
    }
}

void cross_entropy_in_place(void *logits, const int64_t *targets, float *losses, i64 rows,
                            i64 width, float scale, int bf16) {
    bf16 ? in_place(logits, targets, losses, rows, width, scale, 1)
         : in_place(logits, targets, losses, rows, width, scale, 0);
}
