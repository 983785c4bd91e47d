/* Sixteen numbers at a time, in the vector types of gcc and clang: what a processor has no registers
 * for, the compiler splits. Plain loops were left scalar too often, without a word. */
#ifndef FARTHING_WIDE_H
#define FARTHING_WIDE_H

#include "common.h"
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

#define WIDE 16

typedef float wide __attribute__((vector_size(4 * WIDE)));
typedef int32_t wide_int __attribute__((vector_size(4 * WIDE)));
typedef uint32_t wide_bits __attribute__((vector_size(4 * WIDE)));
typedef uint16_t wide_half __attribute__((vector_size(2 * WIDE)));

/* Part of a vector: out of line, so that whole ones stay in registers. */
static __attribute__((noinline)) wide take_part(const void *data, i64 at, i64 left, int bf16) {
    float part[WIDE] = {0};
    wide value;
    for (i64 i = 0; i < left; i++) part[i] = load(data, at + i, bf16);
    memcpy(&value, part, sizeof value);
    return value;
}

static __attribute__((noinline)) void give_part(void *data, i64 at, i64 left, wide value,
                                                int bf16) {
    for (i64 i = 0; i < left; i++) store(data, at + i, value[i], bf16);
}

/* The numbers from `at`, of which `left` are there; zeros for the rest. */
INLINE wide take(const void *data, i64 at, i64 left, int bf16) {
    if (__builtin_expect(left < WIDE, 0)) return take_part(data, at, left, bf16);
    if (bf16) {
        wide_half half;
        memcpy(&half, (const uint16_t *)data + at, sizeof half);
        return (wide)(__builtin_convertvector(half, wide_bits) << 16);
    }
    wide value;
    memcpy(&value, (const float *)data + at, sizeof value);
    return value;
}

/* bfloat16 as in common.h, but for one instruction of some processors: below 2^-126 it gives 0. */
INLINE void give(void *data, i64 at, i64 left, wide value, int bf16) {
    if (__builtin_expect(left < WIDE, 0)) {
        give_part(data, at, left, value, bf16);
    } else if (bf16) {
#ifdef __AVX512BF16__
        wide_half half = (wide_half)_mm512_cvtneps_pbh((__m512)value);
#else
        wide_bits bits = (wide_bits)value;
        wide_bits rounded = bits + 0x7fff + ((bits >> 16) & 1);
        rounded |= (wide_bits)(value != value) & 0x7fc00000;
        wide_half half = __builtin_convertvector(rounded >> 16, wide_half);
#endif
        memcpy((uint16_t *)data + at, &half, sizeof half);
    } else {
        memcpy((float *)data + at, &value, sizeof value);
    }
}

INLINE wide pick_wide(wide_int mask, wide yes, wide no) {
    return (wide)((mask & (wide_int)yes) | (~mask & (wide_int)no));
}

INLINE float sum_wide(wide value) {
    float sum = 0;
    for (int i = 0; i < WIDE; i++) sum += value[i];
    return sum;
}

INLINE float largest_of(wide value) {
    float largest = value[0];
    for (int i = 1; i < WIDE; i++)
        if (value[i] > largest) largest = value[i];
    return largest;
}

/* exp as in common.h; 2^-126 stands for all below it, 2^127 for all above; a NaN stays a NaN. */
INLINE wide exp_wide(wide x) {
    wide low = pick_wide(x < -87.3f, (wide){0} - 87.3f, x);
    wide clamped = pick_wide(low > 88.3f, (wide){0} + 88.3f, low);
    /* Rounding through the bits: (t + c) - c may be simplified to t. */
    wide_int shifted = (wide_int)(clamped * 1.44269504f + 12582912.0f);
    wide whole = __builtin_convertvector(shifted - 0x4b400000, wide);
    wide rest = clamped - whole * 0.693359375f + whole * 2.12194440e-4f;
    wide p = rest * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * rest + 8.3334519073e-3f;
    p = p * rest + 4.1665795894e-2f;
    p = p * rest + 1.6666665459e-1f;
    p = p * rest + 5.0000001201e-1f;
    p = p * rest * rest + rest + 1.0f;
    return p * (wide)((shifted + 127) << 23);
}

INLINE wide sigmoid_wide(wide x) { return 1.0f / (1.0f + exp_wide(-x)); }

#endif
