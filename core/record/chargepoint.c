#include "record/chargepoint.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "crypto/encode.h"
#include "crypto/verify.h"

#define SERIAL_FIELD 16
#define BYTES_MAX    (2 * MG_CHARGEPOINT_SERIAL_MAX + 1)

static size_t cut_len(const char *text)
{
    return strnlen(text, MG_CHARGEPOINT_SERIAL_MAX - 1);
}

void mg_chargepoint_ms(const char *serial, const char *part,
                       char ret[MG_CHARGEPOINT_MS_MAX])
{
    uint8_t bytes[BYTES_MAX] = {0};
    size_t len = cut_len(serial), part_len = cut_len(part);
    memcpy(bytes, serial, len);
    len = len < SERIAL_FIELD ? SERIAL_FIELD : len;
    bytes[len++] = '|';
    memcpy(bytes + len, part, part_len);
    mg_base64_write(bytes, len + part_len, ret);
}

/* Printable, as it goes to terminals; and nothing behind it but NUL. */
static bool is_serial(const uint8_t *bytes, size_t len, size_t field)
{
    for (size_t i = 0; i < field; i++) {
        bool is_right =
            i < len ? bytes[i] >= 0x20 && bytes[i] <= 0x7e : bytes[i] == 0;
        if (!is_right) {
            return false;
        }
    }
    return true;
}

bool mg_chargepoint_serial(const char *ms, char ret[MG_CHARGEPOINT_SERIAL_MAX])
{
    uint8_t bytes[BYTES_MAX];
    size_t n = 0;
    if (mg_base64_read(ms, strlen(ms), bytes, sizeof bytes, &n) != MG_OK) {
        return false;
    }
    const uint8_t *bar =
        n <= SERIAL_FIELD ? NULL
                          : memchr(bytes + SERIAL_FIELD, '|', n - SERIAL_FIELD);
    if (bar == NULL) {
        return false;
    }
    size_t field = (size_t)(bar - bytes);
    size_t len = strnlen((const char *)bytes, field);
    if (len >= MG_CHARGEPOINT_SERIAL_MAX || !is_serial(bytes, len, field)) {
        return false;
    }
    memcpy(ret, bytes, len);
    ret[len] = '\0';
    return true;
}

void mg_chargepoint_mf(const uint8_t hash[32], char ret[MG_CHARGEPOINT_MF_MAX])
{
    mg_base64_write(hash, 32, ret);
}

void mg_chargepoint_gv(const char *lrs_version, const char *software,
                       char ret[MG_CHARGEPOINT_GV_MAX])
{
    bool has_version = lrs_version[0] != '\0';
    (void)snprintf(ret, MG_CHARGEPOINT_GV_MAX, "%s%s%ssw_rel: %s",
                   has_version ? "lrs_ver: " : "", lrs_version,
                   has_version ? ", " : "", software);
}

uint64_t mg_chargepoint_session(const char *transaction)
{
    size_t len = strlen(transaction);
    uint64_t number = 0;
    bool is_number = len > 0 && len <= 19 &&
                     strspn(transaction, "0123456789") == len &&
                     (transaction[0] != '0' || len == 1);
    for (size_t i = 0; i < len && is_number; i++) { /* 19 digits always fit */
        number = number * 10 + (uint64_t)(transaction[i] - '0');
    }
    if (is_number && number <= INT64_MAX) {
        return number;
    }
    uint8_t hash[32];
    mg_sha256(transaction, len, hash);
    number = 0;
    for (size_t i = 0; i < 8; i++) {
        number = number << 8 | hash[i];
    }
    return number >> 2;
}

void mg_chargepoint_pg(char context, uint64_t pagination,
                       const char *transaction, char ret[MG_CHARGEPOINT_PG_MAX])
{
    int n =
        snprintf(ret, MG_CHARGEPOINT_PG_MAX, "%c%" PRIu64, context, pagination);
    if (transaction != NULL && transaction[0] != '\0') {
        (void)snprintf(ret + n, MG_CHARGEPOINT_PG_MAX - (size_t)n, "-%" PRIu64,
                       mg_chargepoint_session(transaction));
    }
}

bool mg_chargepoint_is_session(const struct mg_ocmf *ocmf,
                               const char *transaction)
{
    uint64_t session;
    return !mg_ocmf_session(ocmf, &session) ||
           session == mg_chargepoint_session(transaction);
}
