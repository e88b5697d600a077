/* TLS against a real broker: each thing that is wrong has its own sentence. */
#include <stdio.h>
#include <string.h>

#include "certs.h"
#include "mqtt_bed.h"

struct tls_bed {
    struct bed *bed;
    struct certs certs;
    char ca[160], cert[160], key[160];
};

static int setup(void **state)
{
    static struct tls_bed tls; /* one test at a time */
    tls.bed = bed_create();
    certs_make(&tls.certs, &tls.bed->broker);
    struct mg_setup_mqtt *m = &tls.bed->setup.mqtt;
    m->has_tls = true;
    m->ca_file = certs_path(&tls.certs, "ca.crt", tls.ca);
    (void)snprintf(m->host, sizeof m->host, "localhost");
    bed_open_store(tls.bed);
    *state = &tls;
    return 0;
}

static int teardown(void **state)
{
    struct tls_bed *tls = *state;
    bed_destroy(tls->bed);
    return 0;
}

static void start_broker(struct tls_bed *tls, const char *cert,
                         const char *lines)
{
    char text[1024];
    const char *dir = tls->certs.dir;
    (void)snprintf(text, sizeof text,
                   "allow_anonymous true\ncafile %s/ca.crt\n"
                   "certfile %s/%s.crt\nkeyfile %s/%s.key\n%s",
                   dir, dir, cert, dir, cert, lines);
    broker_start(&tls->bed->broker, text);
}

static void assert_fails(struct bed *b, const char *sentence)
{
    bed_start_uplink(b);
    bed_wait(b, is_down, NULL);
    if (strstr(b->link, sentence) == NULL) {
        fail_msg("'%s' does not say '%s'", b->link, sentence);
    }
}

static void assert_connects(struct bed *b)
{
    char url[320];
    bed_append(b, "event", 1);
    bed_start_uplink(b);
    bed_wait(b, is_up, NULL);
    bed_wait(b, is_store_empty, NULL);
    (void)snprintf(url, sizeof url, "connected to mqtts://%s:%u",
                   b->setup.mqtt.host, b->broker.port);
    assert_string_equal(b->link, url);
    assert_int_equal(b->n_down, 0);
}

static void test_good(void **state)
{
    struct tls_bed *tls = *state;
    start_broker(tls, "good", "");
    assert_connects(tls->bed);
}

static void test_good_address(void **state)
{
    struct tls_bed *tls = *state;
    struct mg_setup_mqtt *m = &tls->bed->setup.mqtt;
    (void)snprintf(m->host, sizeof m->host, "127.0.0.1");
    start_broker(tls, "good", "");
    assert_connects(tls->bed);
}

static void test_wrong_host(void **state)
{
    struct tls_bed *tls = *state;
    start_broker(tls, "wrong", "");
    assert_fails(tls->bed, "the broker's certificate is for broker.example, "
                           "not for localhost");
}

static void test_wrong_address(void **state)
{
    struct tls_bed *tls = *state;
    struct mg_setup_mqtt *m = &tls->bed->setup.mqtt;
    (void)snprintf(m->host, sizeof m->host, "127.0.0.1");
    start_broker(tls, "wrong", "");
    assert_fails(tls->bed, "is for broker.example, not for 127.0.0.1");
}

static void test_host_not_checked(void **state)
{
    struct tls_bed *tls = *state;
    tls->bed->setup.mqtt.is_host_checked = false;
    start_broker(tls, "wrong", "");
    assert_connects(tls->bed);
}

static void test_unknown_ca(void **state)
{
    struct tls_bed *tls = *state;
    (void)certs_path(&tls->certs, "other.crt", tls->ca);
    start_broker(tls, "good", "");
    assert_fails(tls->bed, "is signed by an unknown CA: it is not in /");
}

static void test_system_ca(void **state)
{
    struct tls_bed *tls = *state;
    tls->bed->setup.mqtt.ca_file = NULL;
    start_broker(tls, "good", "");
    assert_fails(tls->bed, "the system's CAs; set ca_file");
}

static void test_expired(void **state)
{
    struct tls_bed *tls = *state;
    start_broker(tls, "expired", "");
    assert_fails(tls->bed, "the broker's certificate expired on 2020-02-03");
}

static void test_client_certificate(void **state)
{
    struct tls_bed *tls = *state;
    struct bed *b = tls->bed;
    start_broker(tls, "good", "require_certificate true\n");
    assert_fails(b, "the broker requires a client certificate");
    bed_stop_uplink(b);
    b->setup.mqtt.cert_file = certs_path(&tls->certs, "client.crt", tls->cert);
    b->setup.mqtt.key_file = certs_path(&tls->certs, "client.key", tls->key);
    b->n_down = 0;
    assert_connects(b);
}

/* TLS 1.2 has no word of its own for it. */
static void test_client_certificate_12(void **state)
{
    struct tls_bed *tls = *state;
    start_broker(tls, "good",
                 "require_certificate true\ntls_version tlsv1.2\n");
    assert_fails(tls->bed, "client certificate");
}

static void test_foreign_client_certificate(void **state)
{
    struct tls_bed *tls = *state;
    struct bed *b = tls->bed;
    b->setup.mqtt.cert_file = certs_path(&tls->certs, "other.crt", tls->cert);
    b->setup.mqtt.key_file = certs_path(&tls->certs, "other.key", tls->key);
    start_broker(tls, "good", "require_certificate true\n");
    assert_fails(b, "our client certificate");
}

static void test_missing_files(void **state)
{
    struct tls_bed *tls = *state;
    (void)certs_path(&tls->certs, "nothing.crt", tls->ca);
    start_broker(tls, "good", "");
    assert_fails(tls->bed, "cannot use the CA file /");
}

static void test_plain_port(void **state)
{
    struct tls_bed *tls = *state;
    broker_start(&tls->bed->broker, "allow_anonymous true\n");
    assert_fails(tls->bed, "TLS");
}

static void test_tls_port(void **state)
{
    struct tls_bed *tls = *state;
    tls->bed->setup.mqtt.has_tls = false;
    start_broker(tls, "good", "");
    assert_fails(tls->bed, "does it expect TLS on this port?");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_good),
        TEST(test_good_address),
        TEST(test_wrong_host),
        TEST(test_wrong_address),
        TEST(test_host_not_checked),
        TEST(test_unknown_ca),
        TEST(test_system_ca),
        TEST(test_expired),
        TEST(test_client_certificate),
        TEST(test_client_certificate_12),
        TEST(test_foreign_client_certificate),
        TEST(test_missing_files),
        TEST(test_plain_port),
        TEST(test_tls_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
