/* Meters that answer most requests rightly and some of them in every wrong
 * way a line knows. */
#ifndef MG_TESTS_HOSTILE_SLAVE_H
#define MG_TESTS_HOSTILE_SLAVE_H

#include "bus/modbus.h"
#include "wire/modbus_adu.h"

#define HOSTILE_PACKETS 256

enum hostile_fault {
    FAULT_NONE,
    FAULT_DROP,
    FAULT_LATE, /* 1 to 4 time-outs */
    FAULT_BAD_CRC,
    FAULT_HALF,
    FAULT_WRONG_UNIT,
    FAULT_NOISE_BEFORE,
    FAULT_NOISE_AFTER,
    FAULT_EXCEPTION,
    FAULT_STALL, /* half of it, the rest 1 to 4 time-outs later */
    N_FAULTS
};

struct hostile;

struct hostile_packet {
    struct mg_timer timer;
    struct hostile *slave;
    bool is_used;
    size_t len;
    uint8_t data[8]; /* the depth of a UART's FIFO */
};

struct hostile {
    struct mg_clock *clock;
    enum mg_modbus_framing framing;
    uint32_t timeout_ms;
    uint64_t char_ns; /* 0: bytes need no time */
    unsigned fault_percent;
    uint64_t random;
    /** Puts bytes on the line. */
    void (*out)(void *ctx, const uint8_t *data, size_t len);
    void *ctx;
    struct hostile_packet packets[HOSTILE_PACKETS];
    unsigned n_requests, n_faults[N_FAULTS];
    /* TCP: bytes keep their order, so that an answer cannot pass one of which
     * half is out, and nothing passes one that will never be whole. */
    uint64_t last_ns, blocked_ns;
    bool is_stuck;
};

const char *hostile_fault_name(enum hostile_fault fault);

/** A number from 0 to n - 1. */
uint32_t hostile_draw(struct hostile *slave, uint32_t n);

/** What a register holds, at any time. */
uint16_t hostile_register(uint8_t unit, uint16_t address);

/** One whole request came in, a read of registers. */
void hostile_request(struct hostile *slave, const uint8_t *data, size_t len);

/** A new connection: nothing that is on its way will arrive. */
void hostile_forget(struct hostile *slave);

#endif
