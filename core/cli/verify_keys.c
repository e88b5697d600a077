/* Public keys by their text. Reading one costs as much as a verification, and
 * most batches have few: they are kept. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verify.h"
#include "crypto/encode.h"

#define N_SLOTS   1024
#define N_KEYS    768 /* of them; then all are forgotten */
#define FILE_MAX  65536
#define PROBLEM   96
#define N_PREPARE 1000 /* uses of a key after which its table pays */

struct entry {
    char *text; /* owned; NULL: free */
    enum mg_curve curve;
    struct mg_public_key *key; /* owned; NULL: it is none */
    unsigned lenient;
    unsigned n_uses;
    char problem[PROBLEM];
};

struct verify_keys {
    size_t n;
    struct entry entries[N_SLOTS];
};

struct verify_keys *verify_keys_create(void)
{
    return calloc(1, sizeof(struct verify_keys));
}

static void forget(struct verify_keys *keys)
{
    for (size_t i = 0; i < N_SLOTS; i++) {
        mg_public_key_destroy(keys->entries[i].key);
        free(keys->entries[i].text);
    }
    memset(keys, 0, sizeof *keys);
}

void verify_keys_destroy(struct verify_keys *keys)
{
    if (keys != NULL) {
        forget(keys);
        free(keys);
    }
}

/* ---- What OCPP makes of a key ---- */

/* "oca:base16:asn1:<hex>": what stands behind the third colon. */
static const char *behind_prefix(const char *text)
{
    if (strncmp(text, "oca:", 4) != 0) {
        return text;
    }
    for (int i = 0; i < 3; i++) {
        const char *colon = strchr(text, ':');
        if (colon == NULL) {
            return text;
        }
        text = colon + 1;
    }
    return text;
}

/* Base64 of a text, as the OCA application note has it. */
static int parse_wrapped(const char *text, enum mg_curve curve, struct entry *e,
                         struct mg_err *err)
{
    char inner[MG_KEY_TEXT_MAX + 1];
    size_t len = 0;
    if (mg_base64_read(text, strlen(text), (uint8_t *)inner, sizeof inner - 1,
                       &len) != MG_OK) {
        return MG_E_PROTO;
    }
    inner[len] = '\0';
    const char *key = behind_prefix(inner);
    return mg_public_key_parse(key, strlen(key), curve, &e->key, &e->lenient,
                               err);
}

static void parse(struct entry *e, const char *whole, enum mg_curve curve)
{
    struct mg_err err = {0};
    struct mg_err unused = {0};
    const char *text = behind_prefix(whole);
    if (mg_public_key_parse(text, strlen(text), curve, &e->key, &e->lenient,
                            &err) != MG_OK &&
        parse_wrapped(whole, curve, e, &unused) != MG_OK) {
        e->key = NULL;
        e->lenient = 0;
        (void)snprintf(e->problem, sizeof e->problem, "%.90s", err.text);
    }
}

/* ---- Table ---- */

/* FNV-1a */
static size_t hash(const char *text, enum mg_curve curve)
{
    uint64_t h = UINT64_C(14695981039346656037) + (uint64_t)curve;
    for (; *text != '\0'; text++) {
        h = (h ^ (uint8_t)*text) * UINT64_C(1099511628211);
    }
    return (size_t)(h ^ h >> 32) % N_SLOTS;
}

static struct entry *find(struct verify_keys *keys, const char *text,
                          enum mg_curve curve)
{
    size_t i = hash(text, curve);
    while (keys->entries[i].text != NULL &&
           (keys->entries[i].curve != curve ||
            strcmp(keys->entries[i].text, text) != 0)) {
        i = (i + 1) % N_SLOTS;
    }
    return &keys->entries[i];
}

const struct mg_public_key *verify_keys_find(struct verify_keys *keys,
                                             const char *text,
                                             enum mg_curve curve,
                                             unsigned *ret_lenient,
                                             const char **ret_problem)
{
    struct entry *e = find(keys, text, curve);
    if (e->text == NULL) {
        if (keys->n == N_KEYS) {
            forget(keys);
            e = find(keys, text, curve);
        }
        e->text = strdup(text);
        if (e->text == NULL) {
            *ret_problem = "out of memory";
            return NULL;
        }
        e->curve = curve;
        keys->n++;
        parse(e, text, curve);
    }
    if (e->key != NULL && ++e->n_uses == N_PREPARE) {
        (void)mg_public_key_prepare(e->key); /* or it goes on without */
    }
    *ret_lenient = e->lenient;
    *ret_problem = e->problem;
    return e->key;
}

/* ---- --key ---- */

static char *read_file(FILE *file, const char *path, struct mg_err *err)
{
    uint8_t *bytes = malloc(FILE_MAX);
    char *text = malloc(2 * FILE_MAX + 1);
    if (bytes == NULL || text == NULL) {
        (void)mg_err_set(err, MG_E_NOMEM, "out of memory");
        free(text);
        text = NULL;
        goto out;
    }
    size_t len = fread(bytes, 1, FILE_MAX, file);
    if (ferror(file) != 0 || len == FILE_MAX || len == 0) {
        (void)mg_err_set(err, MG_E_PROTO, "%s: no key of 1 to %d bytes", path,
                         FILE_MAX - 1);
        free(text);
        text = NULL;
        goto out;
    }
    /* DER begins so; keys are kept as text. */
    if (bytes[0] == 0x30 && memchr(bytes, '\0', len) != NULL) {
        mg_hex_write(bytes, len, true, text);
    } else {
        memcpy(text, bytes, len);
        text[len] = '\0';
    }
out:
    free(bytes);
    return text;
}

/* A raw key may be one of a curve that only the record names. */
static bool is_key(const char *text, struct mg_err *err)
{
    struct entry e = {0};
    for (int i = MG_N_CURVES; i >= 0 && e.key == NULL; i--) {
        parse(&e, text, (enum mg_curve)i);
        if (i == MG_N_CURVES && e.key == NULL) {
            (void)mg_err_set(err, MG_E_PROTO, "%s", e.problem);
        }
    }
    mg_public_key_destroy(e.key);
    return e.key != NULL;
}

char *verify_key_load(const char *argument, struct mg_err *err)
{
    FILE *file = fopen(argument, "re");
    char *text = NULL;
    if (file != NULL) {
        text = read_file(file, argument, err);
        (void)fclose(file); /* was read */
    } else {
        text = strdup(argument);
    }
    if (text != NULL && !is_key(text, err)) {
        if (file != NULL) {
            mg_err_prefix(err, "--key %s", argument);
        } else {
            mg_err_prefix(err, "--key is no file, and");
        }
        free(text);
        text = NULL;
    }
    return text;
}
