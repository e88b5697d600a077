/* A golden vector in memory. Format: README.md. */
#ifndef TEST_VECTOR_H
#define TEST_VECTOR_H

#include "metergate/plugin.h"

#define ADU_MAX    (1 + MG_PDU_MAX + 2)
#define FRAMES_MAX 24
#define VALUES_MAX 64
#define PAIRS_MAX  8
#define TEXT_MAX   96

struct frame {
    uint8_t adu[ADU_MAX];
    size_t len; /* 0: time-out */
    uint32_t baud;
    unsigned line;
};

struct exchange {
    struct frame request, answer;
};

struct expected {
    mg_channel channel;
    bool is_invalid;
    int64_t value;
    char text[TEXT_MAX]; /* MG_UNIT_TEXT */
    unsigned line;
};

struct pair {
    char name[TEXT_MAX], value[TEXT_MAX];
};

struct vector {
    const char *file;
    unsigned line;
    bool is_derived, is_driver_only, is_firmware_only, has_utc;
    int64_t utc_s;
    char verb[TEXT_MAX]; /* empty: a plain reading */
    char end[TEXT_MAX];  /* of a command */
    size_t n_options, n_args, n_exchanges, n_before, n_values;
    struct pair options[PAIRS_MAX], args[PAIRS_MAX];
    struct exchange exchanges[FRAMES_MAX];
    struct expected before[VALUES_MAX], values[VALUES_MAX];
};

/** Read the next vector of a file.
 *  @param line  of the file, counted on
 *  @return 1: vector is filled; 0: end of file; -1: said on stderr */
int vector_read(void *file, const char *name, unsigned *line,
                struct vector *vector);

/** Say what is wrong, with the place. @return false */
bool vector_fail(const struct vector *vector, unsigned line, const char *format,
                 ...) __attribute__((format(printf, 3, 4)));

/** "01 03 04 ..." @param ret_hex  3 * len + 1 bytes */
const char *vector_hex(const uint8_t *bytes, size_t len, char *ret_hex);

uint16_t vector_crc(const uint8_t *bytes, size_t len);

/** @return the expectation of this channel, or NULL */
const struct expected *vector_find(const struct expected *list, size_t n,
                                   mg_channel channel);

/** Options of the meter, at most `cap` bytes. */
bool vector_options(const struct vector *vector, const struct mg_plugin *plugin,
                    void *options, size_t cap);

bool vector_run_driver(const struct vector *vector,
                       const struct mg_plugin *plugin);
bool vector_run_firmware(const struct vector *vector,
                         const struct mg_plugin *plugin);

#endif
