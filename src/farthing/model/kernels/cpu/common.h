/* What every kernel here shares.
 *
 * Tensors arrive as plain pointers, contiguous, float32 or bfloat16 (`bf16` says which). Arithmetic
 * is float32. A flag that is a constant where a function is inlined costs nothing at run time, so
 * each kernel is written once, as an inline body, and exported through a switch over its flags.
 */
#ifndef FARTHING_COMMON_H
#define FARTHING_COMMON_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

/* Sizes and places, of the same width on every platform. */
typedef int64_t i64;

/* A scalar, computed as it stands: `-fassociative-math` may not mix it with what is outside. Not for
 * vectors, which gcc takes apart for it. Compilers that know neither name lose digits only. */
#ifdef __has_builtin
#if __has_builtin(__builtin_assoc_barrier)
#define AS_WRITTEN(value) __builtin_assoc_barrier(value)
#elif defined(__x86_64__) && __has_builtin(__arithmetic_fence) /* clang refuses it elsewhere */
#define AS_WRITTEN(value) __arithmetic_fence(value)
#endif
#endif
#ifndef AS_WRITTEN
#define AS_WRITTEN(value) (value)
#endif

INLINE float float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

INLINE uint32_t bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

INLINE float load(const void *data, i64 at, int bf16) {
    return bf16 ? float_of_bits((uint32_t)((const uint16_t *)data)[at] << 16)
                : ((const float *)data)[at];
}

/* To nearest, ties to even; a NaN stays a NaN, though rounding its bits may overflow. */
INLINE void store(void *data, i64 at, float value, int bf16) {
    if (bf16) {
        uint32_t bits = bits_of_float(value);
        uint32_t rounded = bits + 0x7fff + ((bits >> 16) & 1);
        ((uint16_t *)data)[at] = (uint16_t)((value != value ? 0x7fc00000 : rounded) >> 16);
    } else {
        ((float *)data)[at] = value;
    }
}

/* exp by 2^n * p(r), relative error below 4e-7 + |x| 2^-24: as if x had been rounded once more, for
 * compilers may add up the two parts of log 2. Vectorised by the compiler on every machine, with no
 * vector mathematics library. Below -87.3 it is 0 up to 2^-126; a NaN stays a NaN. */
INLINE float fast_exp(float x) {
    float clamped = x < -87.3f ? -87.3f : x;
    clamped = clamped > 88.3f ? 88.3f : clamped;
    /* Not the addition of a large constant: reassociation would cancel it. */
    float whole = rintf(clamped * 1.44269504f);
    float rest = clamped - whole * 0.693359375f;
    rest = rest + whole * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * rest + 1.3981999507e-3f;
    p = p * rest + 8.3334519073e-3f;
    p = p * rest + 4.1665795894e-2f;
    p = p * rest + 1.6666665459e-1f;
    p = p * rest + 5.0000001201e-1f;
    p = p * rest * rest + rest + 1.0f;
    uint32_t scale = (uint32_t)((int32_t)whole + 127) << 23;
    return p * float_of_bits(scale);
}

INLINE float sigmoid(float x) { return 1.0f / (1.0f + fast_exp(-x)); }

#endif
