/* `metergate key`: make and show the station's signing key. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/app.h"
#include "cli/cli.h"
#include "cli/qr.h"
#include "crypto/encode.h"
#include "crypto/signer.h"
#include "model/json.h"

#define JSON_MAX 4096

enum {
    OPT_OUT = 256,
    OPT_CURVE,
    OPT_MODULE,
    OPT_URI,
    OPT_PIN,
    OPT_FORMAT,
    OPT_PUBLIC
};

enum format {
    FORMAT_TEXT,
    FORMAT_HEX,
    FORMAT_BASE64,
    FORMAT_PEM,
    FORMAT_QR,
    FORMAT_JSON,
    N_FORMATS
};

struct request {
    const char *out, *public_key, *file;
    enum format format;
    enum mg_curve curve;
    struct mg_signer_settings token;
};

static void help(void)
{
    (void)printf(
        "Usage: metergate key generate --out FILE [--curve CURVE]\n"
        "       metergate key generate --module LIB --uri URI --pin-file FILE\n"
        "       metergate key show FILE [--format FORMAT]\n"
        "       metergate key show --module LIB --uri URI --pin-file FILE\n"
        "       metergate key show --public KEY\n\n"
        "The key with which the station signs for meters that cannot: in a "
        "PEM\n"
        "file of mode 0600, or in a PKCS#11 token. A key that exists is never\n"
        "overwritten. `show` prints the public part only.\n\n"
        "  --out FILE       new PEM file\n"
        "  --curve CURVE    secp384r1 (default) or secp256r1\n"
        "  --module LIB     the token's PKCS#11 library\n"
        "  --uri URI        RFC 7512, names token and object\n"
        "  --pin-file FILE  the user PIN in one line, mode 0600\n"
        "  --public KEY     a public key instead: hex, base64, PEM or a file\n"
        "  --format FORMAT  text (default), hex, base64, pem, qr or json\n"
        "  --help           this text\n\n"
        "Example: metergate key generate --out station.pem\n"
        "         metergate key show station.pem\n"
        "         metergate key show --module /usr/lib/softhsm/libsofthsm2.so "
        "\\\n"
        "           --uri 'pkcs11:token=depot;object=station' --pin-file "
        "pin\n");
}

/* ---- Showing ---- */

/* @return exit code */
static int print_qr(const char *hex)
{
    if (qr_print(stdout, hex) != 0) {
        (void)fprintf(stderr, "metergate: the QR code could not be made\n");
        return 1;
    }
    return 0;
}

static void print_base64(const struct mg_public_key *key)
{
    uint8_t spki[MG_KEY_SPKI_MAX];
    char text[MG_BASE64_LEN(MG_KEY_SPKI_MAX) + 1];
    mg_base64_write(spki, mg_public_key_spki(key, spki), text);
    (void)printf("%s\n", text);
}

static int print_text(const struct mg_public_key *key, const char *hex,
                      const char *pem)
{
    char fingerprint[MG_FINGERPRINT_HEX_MAX];
    mg_public_key_fingerprint(key, fingerprint);
    enum mg_curve curve = mg_public_key_curve(key);
    (void)printf("curve        %s\n", mg_curve_name(curve));
    (void)printf("algorithm    %s\n", mg_curve_algorithm(curve));
    (void)printf("fingerprint  %s (SHA-256)\n", fingerprint);
    (void)printf("hex          %s\n\n%s\n", hex, pem);
    return print_qr(hex);
}

static void print_json(const struct mg_public_key *key, const char *hex,
                       const char *pem)
{
    char buf[JSON_MAX], fingerprint[MG_FINGERPRINT_HEX_MAX];
    mg_public_key_fingerprint(key, fingerprint);
    enum mg_curve curve = mg_public_key_curve(key);
    struct mg_json j = mg_json_init(buf, sizeof buf);
    mg_json_open(&j, '{');
    mg_json_member_str(&j, "curve", mg_curve_name(curve));
    mg_json_member_str(&j, "algorithm", mg_curve_algorithm(curve));
    mg_json_member_str(&j, "fingerprint", fingerprint);
    mg_json_member_str(&j, "public_key", hex);
    mg_json_member_str(&j, "pem", pem);
    mg_json_close(&j, '}');
    (void)printf("%.*s\n", (int)j.len, buf);
}

static int print_key(const struct mg_public_key *key, enum format format)
{
    char hex[2 * MG_KEY_SPKI_MAX + 1], pem[1024];
    mg_public_key_hex(key, hex);
    if (mg_public_key_pem(key, pem, sizeof pem) != MG_OK) {
        (void)fprintf(stderr, "metergate: the key cannot be written as PEM\n");
        return 1;
    }
    switch (format) {
    case FORMAT_HEX:
        (void)printf("%s\n", hex);
        return 0;
    case FORMAT_BASE64:
        print_base64(key);
        return 0;
    case FORMAT_PEM:
        (void)fputs(pem, stdout);
        return 0;
    case FORMAT_JSON:
        print_json(key, hex, pem);
        return 0;
    case FORMAT_QR:
        return print_qr(hex);
    case FORMAT_TEXT:
    default:
        return print_text(key, hex, pem);
    }
}

/* A file's content, or the argument itself. */
static size_t public_text(const char *argument, char buf[MG_KEY_TEXT_MAX + 1])
{
    FILE *file = fopen(argument, "re");
    if (file == NULL) {
        size_t len = strlen(argument);
        len = len > MG_KEY_TEXT_MAX ? MG_KEY_TEXT_MAX + 1 : len;
        memcpy(buf, argument, len);
        return len;
    }
    size_t len = fread(buf, 1, MG_KEY_TEXT_MAX + 1, file);
    (void)fclose(file); /* only read */
    return len;
}

static int show_public(const struct request *r)
{
    char text[MG_KEY_TEXT_MAX + 1];
    struct mg_public_key *key;
    unsigned lenient;
    struct mg_err err = {0};
    size_t len = public_text(r->public_key, text);
    if (mg_public_key_parse(text, len, MG_N_CURVES, &key, &lenient, &err) !=
        MG_OK) {
        return app_fail(&err);
    }
    int exit_code = print_key(key, r->format);
    mg_public_key_destroy(key);
    return exit_code;
}

static int show(struct request *r)
{
    if (r->public_key != NULL) {
        return show_public(r);
    }
    struct mg_err err = {0};
    r->token.key_file = r->file;
    struct mg_signer *signer = mg_signer_open(&r->token, &err);
    if (signer == NULL) {
        return app_fail(&err);
    }
    int exit_code = print_key(mg_signer_public_key(signer), r->format);
    mg_signer_close(signer);
    return exit_code;
}

/* ---- Making ---- */

static int generate(struct request *r)
{
    struct mg_err err = {0};
    int rc = r->out != NULL ? mg_key_generate_file(r->out, r->curve, &err)
                            : mg_key_generate_token(&r->token, r->curve, &err);
    if (rc != MG_OK) {
        return app_fail(&err);
    }
    r->file = r->out;
    return show(r);
}

/* ---- Arguments ---- */

static int set_curve(struct request *r, const char *text)
{
    if (strcmp(text, "secp384r1") == 0) {
        r->curve = MG_CURVE_SECP384R1;
    } else if (strcmp(text, "secp256r1") == 0) {
        r->curve = MG_CURVE_SECP256R1;
    } else {
        return cli_usage("key", "--curve %s: expected secp384r1 or secp256r1",
                         text);
    }
    return 0;
}

/* Before anything is done: a key would have been made by then. */
static int set_format(struct request *r, const char *text)
{
    static const char *const names[N_FORMATS] = {
        [FORMAT_TEXT] = "text",     [FORMAT_HEX] = "hex",
        [FORMAT_BASE64] = "base64", [FORMAT_PEM] = "pem",
        [FORMAT_QR] = "qr",         [FORMAT_JSON] = "json"};
    for (int i = 0; i < N_FORMATS; i++) {
        if (strcmp(text, names[i]) == 0) {
            r->format = (enum format)i;
            return 0;
        }
    }
    return cli_usage("key",
                     "--format %s: expected text, hex, base64, pem, qr or json",
                     text);
}

/* @return -1: go on; else the exit code */
static int read_option(int c, struct request *r)
{
    switch (c) {
    case OPT_OUT:
        r->out = optarg;
        return -1;
    case OPT_CURVE:
        return set_curve(r, optarg) == 0 ? -1 : EXIT_USAGE;
    case OPT_MODULE:
        r->token.pkcs11_module = optarg;
        return -1;
    case OPT_URI:
        r->token.pkcs11_uri = optarg;
        return -1;
    case OPT_PIN:
        r->token.pkcs11_pin_file = optarg;
        return -1;
    case OPT_FORMAT:
        return set_format(r, optarg) == 0 ? -1 : EXIT_USAGE;
    case OPT_PUBLIC:
        r->public_key = optarg;
        return -1;
    case 'h':
        help();
        return 0;
    default:
        return EXIT_USAGE;
    }
}

static int carry_out(struct request *r, const char *what, int n_files)
{
    const struct mg_signer_settings *t = &r->token;
    bool has_token = t->pkcs11_module != NULL && t->pkcs11_uri != NULL;
    bool is_half =
        !has_token && (t->pkcs11_module != NULL || t->pkcs11_uri != NULL ||
                       t->pkcs11_pin_file != NULL);
    if (strcmp(what, "generate") == 0) {
        if (n_files != 0 || (r->out != NULL) == has_token || is_half ||
            r->public_key != NULL) {
            return cli_usage("key", "generate needs either --out FILE, or "
                                    "--module and --uri");
        }
        return generate(r);
    }
    if (strcmp(what, "show") == 0) {
        int n = (n_files == 1) + has_token + (r->public_key != NULL);
        if (n_files > 1 || n != 1 || is_half || r->out != NULL) {
            return cli_usage("key", "show needs one of FILE, --public KEY, or "
                                    "--module and --uri");
        }
        return show(r);
    }
    return cli_usage("key", "%s: expected generate or show", what);
}

int cli_key(int argc, char **argv)
{
    static const struct option options[] = {
        {"out", required_argument, NULL, OPT_OUT},
        {"curve", required_argument, NULL, OPT_CURVE},
        {"module", required_argument, NULL, OPT_MODULE},
        {"uri", required_argument, NULL, OPT_URI},
        {"pin-file", required_argument, NULL, OPT_PIN},
        {"public", required_argument, NULL, OPT_PUBLIC},
        {"format", required_argument, NULL, OPT_FORMAT},
        {"help", no_argument, NULL, 'h'},
        {0}};
    struct request r = {.format = FORMAT_TEXT, .curve = MG_CURVE_SECP384R1};
    int c;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        int exit_code = read_option(c, &r);
        if (exit_code >= 0) {
            return exit_code;
        }
    }
    if (optind >= argc) {
        return cli_usage("key", "expected generate or show");
    }
    const char *what = argv[optind++];
    r.file = argv[optind]; /* NULL at the end */
    return carry_out(&r, what, argc - optind);
}
