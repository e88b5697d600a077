/* Which signal of a DBC feeds which channel of a meter: the plugin's table,
 * what the configuration says otherwise, and the database put together. Pure.
 */
#ifndef MG_BUS_CAN_SIGNALS_H
#define MG_BUS_CAN_SIGNALS_H

#include "metergate/plugin.h"
#include "wire/dbc.h"

#define MG_CAN_SIGNALS_MAX 128
#define MG_CAN_NONE        "none" /* in an override: the DBC does not have it */

/** Where another DBC than the built-in one has a signal. */
struct mg_can_override {
    char what[64]; /* key of a channel; "request", "answer": the messages to and
                    * from the meter that carry ISO-TP */
    char name[2 * MG_DBC_NAME_MAX]; /* "Message.Signal", "Message", "none" */
};

struct mg_can_signal {
    const struct mg_signal *row;          /* borrowed from the plugin */
    const struct mg_dbc_message *message; /* borrowed from the database */
    const struct mg_dbc_signal *signal;
    int exp10; /* from the database's unit to the channel's base unit */
};

struct mg_can_map {
    const struct mg_dbc *dbc; /* borrowed */
    size_t n;
    struct mg_can_signal signals[MG_CAN_SIGNALS_MAX];
    const struct mg_dbc_message *to_meter, *from_meter; /* NULL: none */
};

/** @param variant,circuit  as in mg_plugin; circuit < MG_CIRCUITS_MAX
 *  @return MG_OK; MG_E_NOTFOUND: a message or signal is not in the database;
 *          MG_E_INVAL: its unit does not measure what the channel holds, an
 *          override names no channel of the table or one twice, or request and
 *          answer are one message; MG_E_NOSPC; with err */
int mg_can_map_build(const struct mg_can_driver *driver, unsigned variant,
                     unsigned circuit, const struct mg_dbc *dbc,
                     const struct mg_can_override *overrides, size_t n,
                     struct mg_can_map *ret, struct mg_err *err);

/** Decimal exponent from a unit as DBC files write it ("kWh", "V", "degC", "",
 *  ...) to a base unit.
 *  @return MG_OK or MG_E_INVAL: it measures something else */
int mg_can_unit_exp10(const char *text, enum mg_unit unit, int *ret);

/** What was measured is INVALID while the meter's error word says so (struct
 *  mg_fault_bit, voids_measured).
 *  @param values  of one reading */
void mg_can_void_measured(const struct mg_can_driver *driver,
                          struct mg_value *values, size_t n);

/** Identifier of a message of the meter with this address.
 *  @return MG_OK or MG_E_RANGE: beyond 11 or 29 bits */
int mg_can_node_id(const struct mg_dbc *dbc,
                   const struct mg_dbc_message *message, uint8_t node,
                   uint32_t *ret);

/** The name under which the database has a row of the table: its own, or that
 *  of an override. @return NULL: "none" */
const char *mg_can_signal_name(const struct mg_signal *row,
                               const struct mg_can_override *overrides,
                               size_t n);

/** Cut "Message.Signal". @return MG_OK or MG_E_INVAL */
int mg_can_split_name(const char *name, char ret_message[MG_DBC_NAME_MAX],
                      char ret_signal[MG_DBC_NAME_MAX]);

#endif
