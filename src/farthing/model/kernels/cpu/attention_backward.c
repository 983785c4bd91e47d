/* The backward pass of attention: probabilities again from the scores and their log-sum. */
#include "attention.h"

/* The float32 copies of a task of the backward pass, each (T, W) or in panels. */
typedef struct {
    float *k_rows, *k_panels, *v_panels, *dk, *dv, *q, *dout, *dq, *p, *ds, *delta;
} Copies;

/* How many floats of scratch one task needs: the sizes of `Copies`. */
void attention_backward_scratch(int64_t *floats, i64 T, i64 E) {
    Shape n = shape_of(T, 1, 1, E);
    *floats = 6 * n.Tp * n.W + 2 * n.Tp * n.E + 2 * BLOCK * KEYS + n.Tp;
}

static Copies copies_in(float *scratch, Shape n) {
    i64 rows = n.Tp * n.W, panels = n.Tp * n.E;
    Copies c;
    c.k_rows = scratch, c.dk = c.k_rows + rows, c.dv = c.dk + rows, c.q = c.dv + rows;
    c.dout = c.q + rows, c.dq = c.dout + rows, c.k_panels = c.dq + rows;
    c.v_panels = c.k_panels + panels, c.p = c.v_panels + panels, c.ds = c.p + BLOCK * KEYS;
    c.delta = c.ds + BLOCK * KEYS;
    return c;
}

/* Probabilities, and gradients of scores, of ROWS queries with one or two vectors of keys. */
INLINE void pair(const Copies *c, const float *lse, int vectors, const Sight *sight, i64 block,
                 int group, i64 key, i64 column, Shape n) {
    i64 row = group * ROWS, t = block + row;
    float *p = c->p + row * KEYS + column, *ds = c->ds + row * KEYS + column;
    vec acc[ROWS][2], grad[ROWS][2];
    scores(acc, vectors, c->q + t * n.W, n.W, c->k_panels, n.E, sight, group, key);
    UNROLL for (int r = 0; r < ROWS; r++) {
        float log_sum = t + r < n.T ? lse[t + r] : 0;
        for (int v = 0; v < vectors; v++)
            put(p + r * KEYS + v * LANES, exp2_vec(acc[r][v] - log_sum));
    }
    UNROLL for (int r = 0; r < ROWS; r++) grad[r][0] = grad[r][1] = (vec){0};
    product(grad, vectors, c->dout + t * n.W, n.W, 1, c->v_panels + key * n.E, n.E * LANES, LANES,
            n.E);
    UNROLL for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < vectors; v++)
            put(ds + r * KEYS + v * LANES,
                vec_at(p + r * KEYS + v * LANES) * (grad[r][v] - c->delta[t + r]));
}

/* Everything between the queries of one block and the keys of one tile. */
static void backward_tile(const Copies *c, const float *lse, const Sight *sight, i64 block,
                          i64 keys, Shape n) {
    i64 count = n.Tp - keys < KEYS ? n.Tp - keys : KEYS;
    for (i64 column = 0; column < count; column += 2 * LANES)
        for (int g = 0; g < GROUPS; g++) {
            i64 key = keys + column;
            int vectors = column + LANES < count ? 2 : 1;
            if (key >= sight->to[g] || key + vectors * LANES <= sight->from[g]) {
                for (int r = g * ROWS; r < (g + 1) * ROWS; r++) {
                    memset(c->p + r * KEYS + column, 0, sizeof(vec) * vectors);
                    memset(c->ds + r * KEYS + column, 0, sizeof(vec) * vectors);
                }
            } else if (vectors == 2) {
                pair(c, lse, 2, sight, block, g, key, column, n);
            } else {
                pair(c, lse, 1, sight, block, g, key, column, n);
            }
        }
    for (int g = 0; g < GROUPS; g++) {
        i64 seen = sight->to[g] - keys < count ? sight->to[g] - keys : count;
        product_wide(c->dq + (block + g * ROWS) * n.W, c->ds + g * ROWS * KEYS, KEYS, 1,
                     c->k_rows + keys * n.W, seen, n.W);
    }
    if (sight->highest - keys < count)
        count = sight->highest - keys;
    for (i64 key = 0; key < count; key += ROWS) {
        /* Rows of the block before the key do not see it. */
        i64 row = keys + key > block ? (keys + key - block) / ROWS * ROWS : 0;
        const float *p = c->p + row * KEYS + key, *ds = c->ds + row * KEYS + key;
        product_wide(c->dv + (keys + key) * n.W, p, 1, KEYS, c->dout + (block + row) * n.W,
                     BLOCK - row, n.W);
        product_wide(c->dk + (keys + key) * n.W, ds, 1, KEYS, c->q + (block + row) * n.W,
                     BLOCK - row, n.W);
    }
}

/* Where the tensors of one head begin. */
typedef struct {
    const void *q, *out, *dout;
    const float *lse;
    void *dq;
} Head;

static void backward_head(const Copies *c, Head head, const int32_t *starts, Shape n, int bf16) {
    i64 stride = n.H * n.E;
    float scale = 1.0f / sqrtf((float)n.E);
    /* `dq` holds the output for a moment: delta is the sum of out * dout. */
    pack_rows(head.out, stride, 1, c->dq, n.T, n.Tp, n.E, n.W, bf16);
    pack_rows(head.dout, stride, 1, c->dout, n.T, n.Tp, n.E, n.W, bf16);
    pack_rows(head.q, stride, scale * LOG2_E, c->q, n.T, n.Tp, n.E, n.W, bf16);
    for (i64 t = 0; t < n.Tp; t += LANES) {
        vec sums[LANES];
        for (int i = 0; i < LANES; i++) {
            sums[i] = (vec){0};
            for (i64 at = (t + i) * n.W; at < (t + i + 1) * n.W; at += LANES)
                sums[i] += vec_at(c->dq + at) * vec_at(c->dout + at);
        }
        put(c->delta + t, across(sums, 0));
    }
    memset(c->dq, 0, sizeof(float) * n.Tp * n.W);
    for (i64 block = 0; block < n.T; block += BLOCK) {
        Sight sight;
        look(&sight, starts, block, n.T);
        for (i64 keys = sight.lowest / KEYS * KEYS; keys < sight.highest; keys += KEYS)
            backward_tile(c, head.lse, &sight, block, keys, n);
    }
    unpack_rows(head.dq, stride, scale, c->dq, n.T, n.E, n.W, bf16);
}

/* Gradients dq, dk, dv of everything that `attention_forward` took, from that of `out`. */
void attention_backward(const void *dout, const void *q, const void *k, const void *v,
                        const void *out, const float *lse, const int32_t *starts, void *dq,
                        void *dk, void *dv, float *scratch, i64 slots, i64 size, i64 B, i64 T,
                        i64 H, i64 G, i64 E, int bf16) {
    Shape n = shape_of(T, H, G, E);
    i64 bytes = bf16 ? 2 : 4, stride = G * E;
#pragma omp parallel for schedule(static)
    for (i64 slot = 0; slot < slots; slot++)
        for (i64 task = slot; task < B * G; task += slots) {
            Copies c = copies_in(scratch + slot * size, n);
            i64 b = task / G, keys = (b * T * G + task % G) * E * bytes;
            pack_rows((const char *)v + keys, stride, 1, c.k_rows, T, n.Tp, E, n.W, bf16);
            pack_panels(c.k_rows, c.v_panels, n.Tp, E, n.W);
            pack_rows((const char *)k + keys, stride, 1, c.k_rows, T, n.Tp, E, n.W, bf16);
            pack_panels(c.k_rows, c.k_panels, n.Tp, E, n.W);
            memset(c.dk, 0, sizeof(float) * 2 * n.Tp * n.W);
            for (i64 h = task % G * (H / G); h < (task % G + 1) * (H / G); h++) {
                i64 at = (b * T * H + h) * E * bytes;
                Head head = {(const char *)q + at, (const char *)out + at, (const char *)dout + at,
                             lse + (b * H + h) * T, (char *)dq + at};
                backward_head(&c, head, starts ? starts + b * T : 0, n, bf16);
            }
            unpack_rows((char *)dk + keys, stride, LN_2, c.dk, T, E, n.W, bf16);
            unpack_rows((char *)dv + keys, stride, 1, c.dv, T, E, n.W, bf16);
        }
}
