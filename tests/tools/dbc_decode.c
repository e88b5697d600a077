/* dbc_decode FILE.dbc: decodes frames, for comparison with other decoders.
 *
 * Reads lines "<id in hex> <data in hex>", the id as in the file (bit 31:
 * extended), and prints one line of JSON for each: the values as exact decimals
 * {"mantissa": "123", "exp10": -2}, a float32 in units of 1e-9; or what
 * mg_dbc_decode said instead, {"error": "out of range"}. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/dbc.h"

#define FLOAT_DECIMALS 9

static struct mg_dbc *load(const char *path)
{
    static char text[MG_DBC_FILE_MAX + 1];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return NULL;
    }
    size_t len = fread(text, 1, sizeof text, file);
    (void)fclose(file); /* only read */
    struct mg_err err;
    struct mg_dbc *dbc = mg_dbc_parse(path, text, len, &err);
    if (dbc == NULL) {
        (void)fprintf(stderr, "%s\n", err.text);
    }
    return dbc;
}

static const struct mg_dbc_message *find(const struct mg_dbc *dbc, uint64_t id)
{
    for (size_t i = 0; i < mg_dbc_n_messages(dbc); i++) {
        const struct mg_dbc_message *message = mg_dbc_message(dbc, i);
        uint64_t have = message->id + (message->is_extended ? 0x80000000U : 0);
        if (have == id) {
            return message;
        }
    }
    return NULL;
}

/* @return the number of bytes, SIZE_MAX: no hex, or too long */
static size_t from_hex(const char *hex, uint8_t data[MG_CAN_FD_MAX])
{
    size_t n = 0;
    for (; hex[2 * n] != '\0'; n++) {
        char pair[3] = {hex[2 * n], hex[2 * n + 1], '\0'};
        char *end;
        unsigned long byte = strtoul(pair, &end, 16);
        if (end != &pair[2] || n == MG_CAN_FD_MAX) {
            return SIZE_MAX;
        }
        data[n] = (uint8_t)byte;
    }
    return n;
}

/* Fine enough that nothing is rounded. */
static int exact_exp10(const struct mg_dbc_signal *signal)
{
    if (signal->type == MG_DBC_FLOAT32) {
        return FLOAT_DECIMALS;
    }
    bool is_offset_finer = signal->offset.mantissa != 0 &&
                           signal->offset.exp10 < signal->factor.exp10;
    return is_offset_finer ? -signal->offset.exp10 : -signal->factor.exp10;
}

static void print_signal(const struct mg_dbc_message *message,
                         const struct mg_dbc_signal *signal,
                         const uint8_t *data, size_t len)
{
    int exp10 = exact_exp10(signal);
    int64_t value;
    int64_t resolution;
    int rc =
        mg_dbc_decode(message, signal, data, len, exp10, &value, &resolution);
    (void)printf("\"%s\": ", signal->name);
    if (rc == MG_OK) {
        (void)printf("{\"mantissa\": \"%" PRId64 "\", \"exp10\": %d}", value,
                     -exp10);
    } else {
        (void)printf("{\"error\": \"%s\"}", mg_code_text(rc));
    }
}

static bool print_frame(const struct mg_dbc *dbc, char *line)
{
    uint8_t data[MG_CAN_FD_MAX];
    char *hex;
    uint64_t id = strtoull(line, &hex, 16);
    if (*hex++ != ' ') {
        return false;
    }
    hex[strcspn(hex, "\n")] = '\0';
    const struct mg_dbc_message *message = find(dbc, id);
    size_t len = from_hex(hex, data);
    if (message == NULL || len == SIZE_MAX) {
        return false;
    }
    (void)printf("{");
    for (size_t i = 0; i < message->n_signals; i++) {
        (void)printf("%s", i == 0 ? "" : ", ");
        print_signal(message, &message->signals[i], data, len);
    }
    (void)printf("}\n");
    return true;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "usage: dbc_decode FILE.dbc < FRAMES\n");
        return 2;
    }
    struct mg_dbc *dbc = load(argv[1]);
    if (dbc == NULL) {
        return 1;
    }
    char line[256];
    int status = 0;
    while (status == 0 && fgets(line, sizeof line, stdin) != NULL) {
        if (!print_frame(dbc, line)) {
            (void)fprintf(stderr, "dbc_decode: no frame of this file: %s",
                          line);
            status = 1;
        }
    }
    mg_dbc_destroy(dbc);
    return status;
}
