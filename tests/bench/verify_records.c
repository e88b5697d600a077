/* Records to verify, as JSON lines on stdout: whole transactions of the size
 * that stations write, each with its own pagination and signature. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAYLOAD_MAX 2048

static void fail(const char *what)
{
    (void)fprintf(stderr, "verify_records: %s\n", what);
    exit(1);
}

static void print_hex(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        (void)printf("%02X", bytes[i]);
    }
}

/* As a JSON string within a JSON string. */
static void print_escaped(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '"') {
            (void)putchar('\\');
        }
        (void)putchar(*text);
    }
}

static size_t make_payload(unsigned i, char payload[PAYLOAD_MAX])
{
    int n = snprintf(
        payload, PAYLOAD_MAX,
        "{\"FV\":\"1.0\",\"GI\":\"Gateway 1\",\"GS\":\"123456789\","
        "\"GV\":\"1.4p3\",\"PG\":\"T%u\",\"MV\":\"Iskra\",\"MM\":\"WM3M4C\","
        "\"MS\":\"18230001\",\"MF\":\"2.08\",\"IS\":true,\"IL\":\"VERIFIED\","
        "\"IF\":[\"RFID_PLAIN\",\"OCPP_RS_TLS\"],\"IT\":\"ISO14443\","
        "\"ID\":\"1F2D3A4F5506C7\",\"TT\":\"Tariff 1\",\"CT\":\"EVSEID\","
        "\"CI\":\"DE*ABC*E%06u\",\"LC\":{\"LN\":\"cable\",\"LI\":1,"
        "\"LR\":23000,\"LU\":\"uOhm\"},\"RD\":["
        "{\"TM\":\"2025-06-03T07:48:45,000+0000 S\",\"TX\":\"B\","
        "\"RV\":%u.45,\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":\"AC\","
        "\"CL\":0.00,\"EF\":\"\",\"ST\":\"G\"},"
        "{\"TM\":\"2025-06-03T09:48:46,000+0000 S\",\"TX\":\"E\","
        "\"RV\":%u.80,\"RI\":\"1-b:1.8.0\",\"RU\":\"kWh\",\"RT\":\"AC\","
        "\"CL\":0.02,\"EF\":\"\",\"ST\":\"G\"}]}",
        i, i % 100, i * 22, i * 22 + 21);
    if (n < 0 || n >= PAYLOAD_MAX) {
        fail("payload");
    }
    return (size_t)n;
}

static void print_record(EVP_PKEY *key, const char *algorithm, unsigned i)
{
    char payload[PAYLOAD_MAX];
    uint8_t signature[160];
    size_t len = sizeof signature;
    size_t n = make_payload(i, payload);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL ||
        EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
        EVP_DigestSign(ctx, signature, &len, (const uint8_t *)payload, n) !=
            1) {
        fail("signature");
    }
    EVP_MD_CTX_free(ctx);
    (void)printf("{\"ocmf\":\"OCMF|");
    print_escaped(payload);
    (void)printf("|{\\\"SA\\\":\\\"%s\\\",\\\"SD\\\":\\\"", algorithm);
    print_hex(signature, len);
    (void)printf("\\\"}\",\"publicKey\":\"");
    uint8_t *spki = NULL;
    int spki_len = i2d_PUBKEY(key, &spki);
    if (spki_len <= 0) {
        fail("key");
    }
    print_hex(spki, (size_t)spki_len);
    OPENSSL_free(spki);
    (void)printf("\"}\n");
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s p256|p384 COUNT\n", argv[0]);
        return 2;
    }
    bool is_p384 = strcmp(argv[1], "p384") == 0;
    unsigned long n = strtoul(argv[2], NULL, 10);
    EVP_PKEY *key = EVP_EC_gen(is_p384 ? "P-384" : "P-256");
    if (key == NULL) {
        fail("key");
    }
    for (unsigned i = 1; i <= n; i++) {
        print_record(
            key, is_p384 ? "ECDSA-secp384r1-SHA256" : "ECDSA-secp256r1-SHA256",
            i);
    }
    EVP_PKEY_free(key);
    return fflush(stdout) == 0 ? 0 : 1;
}
