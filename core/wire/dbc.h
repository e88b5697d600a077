/* CAN databases (DBC files): which signal lies where in which message.
 *
 * Read: VERSION, NS_, BS_, BU_, BO_, SG_ (both byte orders, signed, scaled,
 * multiplexed: M and m<n>; extended multiplexing with SG_MUL_VAL_ is refused),
 * SIG_VALTYPE_ (1 float32, 2 float64 is refused), VAL_, VAL_TABLE_, CM_,
 * BA_DEF_, BA_DEF_DEF_, BA_ (GenMsgCycleTime of a message; NodeStep of the
 * file). Other known sections are skipped as a whole. Everything is checked:
 * what is wrong is refused with "name:line:column: what, and what would be
 * right".
 *
 * No floating point: factor and offset are exact decimals, and a float32 signal
 * is converted from its bits. */
#ifndef MG_WIRE_DBC_H
#define MG_WIRE_DBC_H

#include "base/err.h"
#include "wire/can_frame.h"

#define MG_DBC_NAME_MAX     33 /* a C identifier of up to 32, and a NUL */
#define MG_DBC_UNIT_MAX     16
#define MG_DBC_MESSAGES_MAX 1024
#define MG_DBC_SIGNALS_MAX  512 /* of one message */
#define MG_DBC_FILE_MAX     (1U << 20)

struct mg_decimal { /* mantissa * 10^exp10, |mantissa| <= 10^15, exp10 -18..18
                     */
    int64_t mantissa;
    int8_t exp10;
};

enum mg_dbc_type { MG_DBC_UNSIGNED, MG_DBC_SIGNED, MG_DBC_FLOAT32 };
enum mg_dbc_mux { MG_DBC_PLAIN, MG_DBC_MULTIPLEXOR, MG_DBC_MULTIPLEXED };

struct mg_dbc_label { /* VAL_: owned by the database */
    int64_t raw;
    const char *text;
};

struct mg_dbc_signal {
    char name[MG_DBC_NAME_MAX];
    char unit[MG_DBC_UNIT_MAX]; /* as in the file, "" = none */
    uint16_t start;             /* bit number as in the file */
    uint8_t length;             /* bits, 1..64 */
    bool is_big_endian;         /* @0, Motorola */
    enum mg_dbc_type type;
    enum mg_dbc_mux mux;
    uint32_t mux_value; /* MULTIPLEXED: the value of the multiplexor */
    struct mg_decimal factor, offset;
    struct mg_decimal min, max; /* both 0: no limits */
    const struct mg_dbc_label *labels;
    size_t n_labels;
    uint32_t line; /* in the file */
};

struct mg_dbc_message {
    char name[MG_DBC_NAME_MAX];
    uint32_t id;
    bool is_extended;
    uint8_t len;       /* bytes, 0..64 */
    uint32_t cycle_ms; /* GenMsgCycleTime; 0 = not cyclic */
    char transmitter[MG_DBC_NAME_MAX];
    const struct mg_dbc_signal *signals;
    size_t n_signals;
    const struct mg_dbc_signal *multiplexor; /* NULL = none */
    uint32_t line;
};

struct mg_dbc;

/** @param name  of the file, for messages
 *  @return owned; NULL with err (first fault: a signal that overlaps another of
 *          the same multiplexor value, is longer than its message or 64 bits,
 * has no name, a name or identifier that is there twice, factor 0, a float32
 *          that is not 32 bits long, ...) */
struct mg_dbc *mg_dbc_parse(const char *name, const char *text, size_t len,
                            struct mg_err *err);
void mg_dbc_destroy(struct mg_dbc *dbc); /* NULL is allowed */

size_t mg_dbc_n_messages(const struct mg_dbc *dbc);
const struct mg_dbc_message *mg_dbc_message(const struct mg_dbc *dbc, size_t i);
/** NULL: there is none */
const struct mg_dbc_message *mg_dbc_find(const struct mg_dbc *dbc,
                                         const char *message);
const struct mg_dbc_signal *
mg_dbc_find_signal(const struct mg_dbc_message *message, const char *signal);

/** Identifiers of node n are those of the file plus n * this (BA_ "NodeStep",
 * an attribute of ours); 1 where the file has none. */
uint32_t mg_dbc_node_step(const struct mg_dbc *dbc);

/** The value of a signal in a frame: (raw * factor + offset) * 10^exp10,
 * rounded half to even.
 *  @param len          of the frame; may be longer than the message
 *  @param exp10        from the file's unit to the caller's: V to mV is 3
 *  @param ret_resolution  the step of the signal in the caller's unit, rounded
 *                      up, at least 1 (float32: of this value)
 *  @return MG_OK; MG_E_NOTFOUND: another multiplexor value has been sent;
 *          MG_E_PROTO: the frame is too short; MG_E_INVAL: a float32 that is no
 *          number; MG_E_RANGE: does not fit int64 or is outside of min..max */
int mg_dbc_decode(const struct mg_dbc_message *message,
                  const struct mg_dbc_signal *signal, const uint8_t *data,
                  size_t len, int exp10, int64_t *ret, int64_t *ret_resolution);

/** Say which page a multiplexed message is: the raw value of its multiplexor,
 *  which the multiplexor's factor and limits do not concern. Without a
 *  multiplexor nothing happens.
 *  @param page  up to the largest that the multiplexor's bits hold
 *  @return MG_OK; MG_E_NOSPC: the frame is too short */
int mg_dbc_put_page(const struct mg_dbc_message *message, uint32_t page,
                    uint8_t *data, size_t len);

/** Put a value into a frame; other bits stay. The inverse of mg_dbc_decode,
 *  rounded half to even to the signal's step. Of a MULTIPLEXED signal, the
 *  multiplexor is set too.
 *  @return MG_OK; MG_E_RANGE: the signal cannot hold it: nothing is changed;
 *          MG_E_NOSPC: the frame is too short */
int mg_dbc_encode(const struct mg_dbc_message *message,
                  const struct mg_dbc_signal *signal, int64_t value, int exp10,
                  uint8_t *data, size_t len);

#endif
