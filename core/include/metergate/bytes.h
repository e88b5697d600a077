/* metergate plugin SDK: bounded reading and writing of wire data.
 *
 * Both cursors are sticky: the first access beyond the end sets `failed`, all
 * later ones do nothing and read 0, and the caller tests once at the end. */
#ifndef METERGATE_BYTES_H
#define METERGATE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mg_rd {
    const uint8_t *data; /* borrowed */
    size_t len, pos;
    bool failed;
};

struct mg_wr {
    uint8_t *data; /* borrowed */
    size_t cap, len;
    bool failed;
};

static inline struct mg_rd mg_rd_init(const uint8_t *data, size_t len)
{
    return (struct mg_rd){.data = data, .len = len};
}

static inline struct mg_wr mg_wr_init(uint8_t *data, size_t cap)
{
    return (struct mg_wr){.data = data, .cap = cap};
}

static inline uint8_t mg_rd_u8(struct mg_rd *r)
{
    if (r->failed || r->pos >= r->len) {
        r->failed = true;
        return 0;
    }
    return r->data[r->pos++];
}

static inline uint16_t mg_rd_be16(struct mg_rd *r)
{
    unsigned hi = mg_rd_u8(r);
    unsigned lo = mg_rd_u8(r);
    return (uint16_t)(hi << 8 | lo);
}

static inline uint32_t mg_rd_be32(struct mg_rd *r)
{
    uint32_t hi = mg_rd_be16(r);
    uint32_t lo = mg_rd_be16(r);
    return hi << 16 | lo;
}

static inline uint64_t mg_rd_be64(struct mg_rd *r)
{
    uint64_t hi = mg_rd_be32(r);
    uint64_t lo = mg_rd_be32(r);
    return hi << 32 | lo;
}

/** Bytes not read yet. */
static inline size_t mg_rd_left(const struct mg_rd *r)
{
    return r->failed ? 0 : r->len - r->pos;
}

static inline void mg_put_u8(struct mg_wr *w, unsigned v)
{
    if (w->failed || w->len >= w->cap) {
        w->failed = true;
        return;
    }
    w->data[w->len++] = (uint8_t)v;
}

static inline void mg_put_be16(struct mg_wr *w, unsigned v)
{
    mg_put_u8(w, v >> 8 & 0xff);
    mg_put_u8(w, v & 0xff);
}

static inline void mg_put_be32(struct mg_wr *w, uint32_t v)
{
    mg_put_be16(w, v >> 16);
    mg_put_be16(w, v & 0xffff);
}

static inline void mg_put_be64(struct mg_wr *w, uint64_t v)
{
    mg_put_be32(w, (uint32_t)(v >> 32));
    mg_put_be32(w, (uint32_t)v);
}

static inline void mg_put_bytes(struct mg_wr *w, const uint8_t *data,
                                size_t len)
{
    for (size_t i = 0; i < len; i++) {
        mg_put_u8(w, data[i]);
    }
}

#endif
