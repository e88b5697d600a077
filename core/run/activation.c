#include "run/activation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "crypto/verify.h"
#include "run/logbook.h"

#define ACTIVATION_KEY     "activation"
#define ACTIVATION_VERSION 1
#define PROGRAM_MAX        (64U << 20)

struct activation {
    uint32_t version, size;
    bool is_active;
    char software[32];
    char hash[65]; /* SHA-256 of the program, hex */
};

/* The program is the legally relevant software. */
static void hash_program(char ret[65])
{
    uint8_t hash[32];
    struct stat st;
    FILE *file = fopen("/proc/self/exe", "rb");
    ret[0] = '\0';
    if (file == NULL) {
        return;
    }
    if (fstat(fileno(file), &st) == 0 && st.st_size > 0 &&
        st.st_size < PROGRAM_MAX) {
        size_t len = (size_t)st.st_size;
        uint8_t *bytes = malloc(len);
        if (bytes != NULL && fread(bytes, 1, len, file) == len) {
            mg_sha256(bytes, len, hash);
            for (size_t i = 0; i < sizeof hash; i++) {
                (void)snprintf(ret + 2 * i, 3, "%02x", hash[i]);
            }
        }
        free(bytes);
    }
    (void)fclose(file); /* only read */
}

static bool load(struct mg_gateway *g, struct activation *ret)
{
    struct mg_err err;
    size_t len;
    return mg_store_get(g->store, ACTIVATION_KEY, ret, sizeof *ret, &len,
                        &err) == MG_OK &&
           len == sizeof *ret && ret->version == ACTIVATION_VERSION &&
           ret->size == sizeof *ret;
}

void mg_activation_load(struct mg_gateway *g)
{
    struct activation before = {0};
    struct activation now = {.version = ACTIVATION_VERSION,
                             .size = sizeof now,
                             .is_active = g->setup->station.is_enabled};
    bool is_known = load(g, &before);
    uint64_t ticket;
    (void)snprintf(now.software, sizeof now.software, "%s", MG_VERSION);
    hash_program(now.hash);
    if (is_known && strncmp(before.hash, now.hash, sizeof now.hash) != 0) {
        const struct mg_log_data data = {.lrs_version = before.software,
                                         .lrs_hash = before.hash};
        mg_logbook_add(g, NULL, MG_LOGBOOK_FIRMWARE_INSTALLED, &data);
    }
    if (is_known ? before.is_active != now.is_active : now.is_active) {
        const struct mg_log_data data = {.is_activated = now.is_active};
        mg_logbook_add(g, NULL, MG_LOGBOOK_STATION_ACTIVATED, &data);
    }
    if (mg_store_put(g->store, ACTIVATION_KEY, &now, sizeof now, &ticket) !=
        MG_OK) {
        mg_log(MG_LOG_ERROR, "the state of the station could not be stored");
    }
}
