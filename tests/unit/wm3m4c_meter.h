/* A simulated WM3M4C on the test's bench: ticks computed from voltage, current
 * and angle of each phase with integers, registers read and written by their
 * numbers in the manual, and a crypto chip that always says the same. */
#ifndef WM3M4C_METER_H
#define WM3M4C_METER_H

#include "metergate/plugin.h"

#include "../../plugins/wm3m4c/options.h"

#define METER_UNIT     33
#define METER_SERIAL   18230001
#define METER_NV_MAX   2048 /* manual Table 1 */
#define METER_STATE    20480
#define TICK_MS        40
#define UTC_2022_11_11 1668172948 /* 13:22:28, the manual's example */

/* Dataset of manual 5.5.13. */
#define DATASET                                                                \
    "{\"FV\":\"1.0\",\"GI\":\"Gateway 1\",\"GS\":\"123456789\",\"PG\":\"\","   \
    "\"MV\":\"\",\"MM\":\"\",\"MS\":\"\",\"MF\":\"\",\"IS\":true,\"IF\":["     \
    "\"RFID_PLAIN\",\"OCPP_RS_TLS\"],\"IT\":\"ISO14443\",\"ID\":"              \
    "\"1F2D3A4F5506C7\",\"CT\":\"EVSEID\",\"CI\":\"\",\"RD\":[]}"

/* Cosine and sine in 1e-3: exact. */
struct angle {
    int cos_pm, sin_pm;
};

struct flow {
    int64_t u_mv[3], i_ma[3];
    struct angle angle[3];
};

struct meter {
    uint64_t state[METER_STATE / 8];
    uint8_t nv[METER_NV_MAX];
    struct wm3m4c_options options;
    struct flow flow;
    uint8_t public_key[64], signature[64];
    bool is_chip_silent;
    unsigned n_signed;
    char message[2048]; /* the last one that was to be signed */
};

/** A new WM3M4C, powered on, 230 V, no current, signing takes 400 ms. */
void meter_new(struct meter *m);
/** The same with options changed before: m->options of meter_blank. */
void meter_blank(struct meter *m);
void meter_start(struct meter *m);
void meter_power_cycle(struct meter *m);

/** The same load in all phases. */
void meter_load(struct meter *m, int64_t i_ma, struct angle angle);
void meter_run_ms(struct meter *m, int64_t ms); /* whole ticks */
void meter_run_s(struct meter *m, int64_t s);

/** Registers by number: 3xxxx with function 04, 4xxxx with 03.
 *  The test fails unless they are answered. */
void meter_read(struct meter *m, unsigned number, unsigned n, uint16_t *ret);
uint16_t meter_word(struct meter *m, unsigned number);
uint32_t meter_wide(struct meter *m, unsigned number);
/** Exception code of reading or writing, 0: done. */
int meter_read_refusal(struct meter *m, unsigned number, unsigned n);
int meter_write(struct meter *m, unsigned number, uint16_t word); /* 06 */
int meter_write_many(struct meter *m, unsigned number, unsigned n,
                     const uint16_t *words); /* 16 */
/** A value of T5 or T6 in 1e-3. */
int64_t meter_milli(struct meter *m, unsigned number);
/** n registers as text, NUL-terminated. */
void meter_text(struct meter *m, unsigned number, unsigned n_bytes, char *ret);

/** What the control unit does before a command. */
void meter_set_time(struct meter *m, uint32_t unix_s);
void meter_dataset(struct meter *m, const char *text);
/** Command, then until the signature is there or refused.
 *  @return register 47052 */
unsigned meter_command(struct meter *m, char letter);
/** The output of the last signature. */
void meter_output(struct meter *m, char ret[1025]);

size_t meter_ask(struct meter *m, uint8_t unit, const uint8_t *request,
                 size_t len, uint8_t ret[MG_PDU_MAX]);
int meter_refusal(struct meter *m, const uint8_t *request, size_t len);
/** As the host does after each tick and request. */
void meter_serve_chip(struct meter *m);

#endif
