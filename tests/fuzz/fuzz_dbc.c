/* Any bytes as a CAN database, and its last ones as a frame of every message:
 * what was decoded must survive being encoded and decoded again. */
#include <stdlib.h>
#include <string.h>

#include "wire/dbc.h"

static void require(bool is_true)
{
    if (!is_true) {
        abort();
    }
}

static void check_signal(const struct mg_dbc_message *message,
                         const struct mg_dbc_signal *signal,
                         const uint8_t *data, int exp10)
{
    int64_t value;
    int64_t resolution;
    if (mg_dbc_decode(message, signal, data, message->len, exp10, &value,
                      &resolution) != MG_OK) {
        return;
    }
    require(resolution >= 1);
    uint8_t again[MG_CAN_FD_MAX] = {0};
    if (mg_dbc_encode(message, signal, value, exp10, again, message->len) !=
        MG_OK) {
        return; /* rounded beyond a limit */
    }
    int64_t back;
    int rc = mg_dbc_decode(message, signal, again, message->len, exp10, &back,
                           &resolution);
    require(rc == MG_OK || rc == MG_E_RANGE);
    if (rc == MG_OK && signal->type != MG_DBC_FLOAT32) {
        require(back == value);
    }
}

static void check_message(const struct mg_dbc *dbc, size_t i,
                          const uint8_t *data)
{
    const struct mg_dbc_message *message = mg_dbc_message(dbc, i);
    require(message->name[0] != '\0' && message->len <= MG_CAN_FD_MAX);
    require(mg_dbc_find(dbc, message->name) == message);
    for (size_t k = 0; k < message->n_signals; k++) {
        const struct mg_dbc_signal *signal = &message->signals[k];
        require(mg_dbc_find_signal(message, signal->name) == signal);
        for (size_t n = 0; n < signal->n_labels; n++) {
            (void)strlen(signal->labels[n].text); /* must have an end */
        }
        check_signal(message, signal, data, 0);
        check_signal(message, signal, data, 3);
        check_signal(message, signal, data, -18);
        check_signal(message, signal, data, 18);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t frame[MG_CAN_FD_MAX] = {0};
    size_t n = size < sizeof frame ? size : sizeof frame;
    if (n > 0) {
        memcpy(frame, &data[size - n], n);
    }
    struct mg_err err = {0};
    struct mg_dbc *dbc =
        mg_dbc_parse("fuzz.dbc", (const char *)data, size, &err);
    if (dbc == NULL) {
        require(err.code == MG_E_INVAL && err.text[0] != '\0');
        return 0;
    }
    for (size_t i = 0; i < mg_dbc_n_messages(dbc); i++) {
        check_message(dbc, i, frame);
    }
    mg_dbc_destroy(dbc);
    return 0;
}
