/* The loader against files: what it reads, and what it says of faults. Each
 * config/<name>.yaml has its report in <name>.expected ("ok" when it is
 * right); MG_GOLDEN_UPDATE=1 writes these anew, to be read before a commit.
 *
 * test_config TESTS/UNIT/CONFIG CONFIG */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/keys.h"
#include "fake_plugins.h"

#define TEXT_MAX   (1 << 16)
#define FILES_MAX  128
#define README_MAX (1 << 18)

static struct mg_plugins plugins;
static const char *config_dir; /* absolute; of the command line */

/* ---- Helpers ---- */

struct outcome {
    int code;
    size_t n_faults;
    struct mg_setup *setup;
    char *report; /* owned */
};

static struct outcome load(const char *file)
{
    struct outcome o = {0};
    size_t len = 0;
    FILE *report = open_memstream(&o.report, &len);
    assert_non_null(report);
    o.code = mg_config_load(file, &plugins, report, &o.setup, &o.n_faults);
    assert_int_equal(fclose(report), 0);
    return o;
}

static struct outcome parse_len(const char *text, size_t len)
{
    struct outcome o = {0};
    size_t report_len = 0;
    FILE *report = open_memstream(&o.report, &report_len);
    assert_non_null(report);
    o.code = mg_config_parse("t.yaml", text, len, &plugins, true, report,
                             &o.setup, &o.n_faults);
    assert_int_equal(fclose(report), 0);
    return o;
}

static struct outcome parse(const char *text)
{
    return parse_len(text, strlen(text));
}

static void outcome_free(struct outcome *o)
{
    mg_setup_destroy(o->setup);
    free(o->report);
}

/* Owned text of a file; NULL when it is not there. */
static char *slurp(const char *path, size_t max)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    char *text = calloc(1, max + 1);
    assert_non_null(text);
    size_t n = fread(text, 1, max, file); /* short at the end of the file */
    assert_true(n <= max);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void expect_fault(const struct outcome *o, const char *part)
{
    assert_int_equal(o->code, MG_E_INVAL);
    assert_null(o->setup);
    if (strstr(o->report, part) == NULL) {
        fail_msg("expected \"%s\" in:\n%s", part, o->report);
    }
}

#define HEAD  "gateway: {id: g}\n"
#define BUS   "buses: [{id: b, type: modbus-tcp, host: h}]\n"
#define METER "meters: [{id: m, model: kpm31, bus: b, unit: 1}]\n"

/* ---- Golden files ---- */

static void check_golden(const char *name)
{
    char path[512];
    struct outcome o = load(name);
    const char *report = o.code == MG_OK ? "ok\n" : o.report;
    (void)snprintf(path, sizeof path, "%.*s.expected",
                   (int)(strlen(name) - strlen(".yaml")), name);
    if (getenv("MG_GOLDEN_UPDATE") != NULL) {
        write_file(path, report, 0644);
    }
    char *expected = slurp(path, TEXT_MAX);
    if (expected == NULL) {
        fail_msg("%s is missing", path);
    }
    assert_string_equal(report, expected);
    /* A setup if and only if there is no fault. */
    assert_int_equal(o.setup != NULL, o.code == MG_OK);
    assert_int_equal(o.n_faults == 0, o.code == MG_OK);
    free(expected);
    outcome_free(&o);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void test_golden(void **state)
{
    (void)state;
    char *names[FILES_MAX];
    size_t n = 0;
    DIR *dir = opendir(".");
    assert_non_null(dir);
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);
        if (len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0) {
            assert_true(n < FILES_MAX);
            names[n++] = strdup(entry->d_name);
        }
    }
    assert_int_equal(closedir(dir), 0);
    assert_true(n >= 30);
    qsort(names, n, sizeof names[0], by_name);
    for (size_t i = 0; i < n; i++) {
        print_message("  %s\n", names[i]);
        check_golden(names[i]);
        free(names[i]);
    }
}

static void check_example(const char *name, bool is_whole, size_t n_meters)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/examples/%s.yaml", config_dir, name);
    char *text = slurp(path, TEXT_MAX);
    assert_non_null(text);
    struct outcome o = is_whole ? load(path) : parse(text);
    assert_string_equal(o.report, "");
    assert_int_equal(o.code, MG_OK);
    assert_int_equal(o.setup->n_meters, n_meters);
    outcome_free(&o);
    free(text);
}

static void test_examples(void **state)
{
    (void)state;
    check_example("minimal", true, 1);
    check_example("depot", true, 10);
    check_example("demo", true, 16);
    check_example("signed-charging", false, 2); /* its key is to be made */
    check_example("mixed-depot", false, 8);
}

/* ---- What is read ---- */

static void test_full_mqtt(void **state)
{
    (void)state;
    struct outcome o = load("full.yaml");
    assert_string_equal(o.report, "");
    const struct mg_setup *s = o.setup;
    assert_string_equal(s->file, "full.yaml");
    assert_string_equal(s->gateway, "depot-1");
    assert_string_equal(s->state_dir, "state");
    assert_true(s->mqtt.is_enabled);
    assert_string_equal(s->mqtt.host, "broker.example");
    assert_int_equal(s->mqtt.port, 18883);
    assert_string_equal(s->mqtt.root, "site/a");
    assert_string_equal(s->mqtt.client_id, "7");
    assert_string_equal(s->mqtt.username, "depot");
    assert_null(s->mqtt.password);
    assert_true(s->mqtt.has_tls);
    assert_false(s->mqtt.is_host_checked);
    assert_string_equal(s->mqtt.ca_file, "full.yaml");
    assert_null(s->mqtt.cert_file);
    assert_int_equal(s->mqtt.keepalive_s, 60);
    assert_int_equal(s->mqtt.window, 4);
    assert_true(s->mqtt.is_v311_allowed);
    assert_int_equal(s->mqtt.max_command_bytes, 1024);
    assert_int_equal(s->outbox.max_readings, 5);
    assert_int_equal(s->outbox.max_age_ms, 2500);
    assert_int_equal(s->outbox.max_bytes, 3 << 19);
    assert_int_equal(s->simulation.seed, 7);
    assert_int_equal(s->simulation.start_utc_ms, 1738367700000);
    assert_int_equal(s->simulation.turnaround_ms, 5);
    assert_false(s->simulation.is_paced);
    outcome_free(&o);
}

static void test_full_buses(void **state)
{
    (void)state;
    struct outcome o = load("full.yaml");
    assert_int_equal(o.code, MG_OK);
    assert_int_equal(o.setup->n_buses, 4);
    const struct mg_setup_bus *b = o.setup->buses;
    assert_string_equal(b[0].id, "line1");
    assert_int_equal(b[0].modbus.framing, MG_MODBUS_RTU);
    assert_string_equal(b[0].tty.device, "/dev/ttyS9");
    assert_int_equal(b[0].tty.serial.baud, 4800);
    assert_int_equal(b[0].modbus.baud, 4800);
    assert_int_equal(b[0].tty.serial.parity, 'N');
    assert_int_equal(b[0].tty.serial.stop_bits, 2);
    assert_int_equal(b[0].modbus.char_bits, 11);
    assert_true(b[0].tty.has_rs485);
    assert_true(b[0].tty.is_low_latency);
    assert_int_equal(b[0].modbus.bus_gap_us, 1500);
    assert_int_equal(b[0].modbus.slack_ms, 3);
    /* As the meter on it is delivered. */
    assert_int_equal(b[1].tty.serial.baud, 9600);
    assert_int_equal(b[1].tty.serial.parity, 'E');
    assert_int_equal(b[1].modbus.char_bits, 11);
    assert_false(b[1].tty.has_rs485);
    assert_int_equal(b[2].modbus.framing, MG_MODBUS_TCP);
    assert_string_equal(b[2].host, "10.0.0.5");
    assert_int_equal(b[2].port, 502);
    assert_int_equal(b[2].connect_timeout_ms, 500);
    assert_int_equal(b[3].modbus.framing, MG_MODBUS_RTU_TCP);
    assert_string_equal(b[3].host, "::1");
    assert_int_equal(b[3].port, 4001);
    assert_int_equal(b[3].connect_timeout_ms, 5000);
    assert_int_equal(b[3].place.line, 25);
    outcome_free(&o);
}

static void test_full_meters(void **state)
{
    (void)state;
    struct outcome o = load("full.yaml");
    assert_int_equal(o.code, MG_OK);
    assert_int_equal(o.setup->n_meters, 4);
    const struct mg_setup_meter *m = o.setup->meters;
    assert_string_equal(m[0].id, "cp1");
    assert_string_equal(m[0].plugin->model, "kpm31");
    assert_int_equal(m[0].bus, 0);
    assert_int_equal(m[0].unit, 247);
    assert_int_equal(m[0].interval_ms, 2000);
    assert_int_equal(m[0].slow_interval_ms, 3600000);
    assert_int_equal(m[0].timeout_ms, 250);
    assert_int_equal(m[0].gap_ms, 10);
    assert_int_equal(m[0].max_registers, 40);
    assert_int_equal(m[0].max_gap, 3);
    assert_int_equal(m[0].n_allowed, 2);
    assert_string_equal(m[0].allowed[0], "relay");
    assert_string_equal(m[0].allowed[1], "set-clock");
    const struct fake_kpm31_options *kpm31 = m[0].options;
    assert_int_equal(kpm31->variant, 2);
    assert_true(m[0].load.is_fixed);
    assert_int_equal(m[0].load.voltage_mv, 231500);
    assert_int_equal(m[0].load.current_ma, 6000);
    assert_int_equal(m[0].load.pf_1e4, -9500);
    assert_true(m[0].load.is_capacitive);
    assert_int_equal(m[0].load.frequency_mhz, 49980);
    outcome_free(&o);
}

static void test_full_defaults(void **state)
{
    (void)state;
    struct outcome o = load("full.yaml");
    assert_int_equal(o.code, MG_OK);
    const struct mg_setup_meter *m = o.setup->meters;
    assert_int_equal(m[1].interval_ms, 1000);
    assert_int_equal(m[1].slow_interval_ms, 900000);
    assert_int_equal(m[1].timeout_ms, 500);
    assert_int_equal(m[1].gap_ms, 5);
    assert_int_equal(m[1].max_registers, 60);
    assert_int_equal(m[1].max_gap, 0);
    assert_int_equal(m[1].n_allowed, 0);
    assert_false(m[1].load.is_fixed);
    const struct fake_tm1_options *tm1 = m[2].options;
    assert_int_equal(m[2].unit, 0);
    assert_int_equal(m[2].max_gap, 2);
    assert_int_equal(tm1->channels, 3);
    assert_string_equal(tm1->label, "abc");
    assert_int_equal(tm1->fast, 1);
    assert_int_equal(tm1->speed, 1);
    assert_true(m[3].load.is_fixed);
    assert_int_equal(m[3].load.voltage_mv, 230000);
    assert_int_equal(m[3].load.current_ma, 10000);
    assert_int_equal(m[3].load.pf_1e4, 10000);
    assert_int_equal(m[3].load.frequency_mhz, 50000);
    outcome_free(&o);
}

static void test_short(void **state)
{
    (void)state;
    struct outcome o = parse(HEAD BUS METER);
    assert_string_equal(o.report, "");
    const struct mg_setup *s = o.setup;
    assert_string_equal(s->state_dir, "/var/lib/metergate");
    assert_false(s->mqtt.is_enabled);
    assert_int_equal(s->outbox.max_readings, 10);
    assert_int_equal(s->outbox.max_age_ms, 10000);
    assert_int_equal(s->outbox.max_bytes, 256 << 20);
    assert_int_equal(s->simulation.seed, 1);
    assert_int_equal(s->simulation.start_utc_ms, 0);
    assert_int_equal(s->simulation.turnaround_ms, 20);
    assert_true(s->simulation.is_paced);
    outcome_free(&o);
    o = parse("\xef\xbb\xbf" HEAD BUS METER); /* a byte order mark */
    assert_int_equal(o.code, MG_OK);
    outcome_free(&o);
    o = parse(HEAD BUS METER "mqtt: {host: x}\n");
    assert_int_equal(o.code, MG_OK);
    assert_int_equal(o.setup->mqtt.port, 8883);
    assert_true(o.setup->mqtt.has_tls);
    assert_true(o.setup->mqtt.is_host_checked);
    assert_string_equal(o.setup->mqtt.root, "mg/v1");
    assert_string_equal(o.setup->mqtt.client_id, "metergate-g");
    assert_int_equal(o.setup->mqtt.window, 16);
    assert_int_equal(o.setup->mqtt.keepalive_s, 15);
    assert_int_equal(o.setup->mqtt.max_command_bytes, 4096);
    outcome_free(&o);
    o = parse(HEAD BUS METER "mqtt: {host: x, tls: false}\n");
    assert_int_equal(o.code, MG_OK);
    assert_int_equal(o.setup->mqtt.port, 1883);
    outcome_free(&o);
}

static void test_session(void **state)
{
    (void)state;
    struct outcome o = load("session.yaml");
    assert_string_equal(o.report, "");
    const struct mg_setup *s = o.setup;
    assert_string_equal(s->timezone, "Europe/Berlin");
    assert_true(s->station.is_enabled);
    assert_null(s->station.key_file);
    assert_string_equal(s->station.pkcs11_module, "session.yaml");
    assert_string_equal(s->station.pkcs11_uri,
                        "pkcs11:token=station;object=meter");
    assert_null(s->station.pkcs11_pin_file);
    assert_string_equal(s->station.identification, "depot 7");
    assert_string_equal(s->station.serial, "0815");
    assert_string_equal(s->station.version, "1.0");
    const struct mg_setup_session *one = &s->meters[0].session;
    assert_string_equal(one->evse, "DE*ABC*E123");
    assert_true(one->is_chargebox);
    assert_int_equal(one->loss_uohm, 23000);
    assert_true(one->is_ocpp_plain);
    assert_memory_equal(one->public_key, "3059", 4);
    assert_string_equal(one->everest, "powermeter_1");
    assert_string_equal(s->meters[0].allowed[0], "session");
    assert_int_equal(s->meters[1].n_allowed, 2);
    assert_string_equal(s->meters[1].allowed[1], "session-end");
    const struct mg_setup_session *none = &s->meters[2].session;
    assert_string_equal(none->evse, "cp3");
    assert_false(none->is_chargebox);
    assert_int_equal(none->loss_uohm, 0);
    assert_false(none->is_ocpp_plain);
    assert_null(none->public_key);
    assert_string_equal(none->everest, "");
    outcome_free(&o);
}

/* Two meters of one device, one alone, two that are turned round. */
static void test_device(void **state)
{
    (void)state;
    struct outcome o =
        parse(HEAD "buses: [{id: b, type: socketcan, interface: can0}]\n"
                   "meters:\n"
                   "- {id: r, model: cpim1000, bus: b, unit: 1,"
                   " options: {side: right, region: na}}\n"
                   "- {id: l, model: cpim1000, bus: b, unit: 1,"
                   " options: {side: left, region: na}}\n"
                   "- {id: a, model: cpim1000, bus: b, unit: 2,"
                   " options: {side: left}}\n"
                   "- {id: k, model: cpkm3000, bus: b, unit: 9}\n");
    assert_string_equal(o.report, "");
    const struct mg_setup_meter *m = o.setup->meters;
    static const unsigned circuits[] = {0, 1, 1, 0};
    static const size_t devices[] = {0, 0, 2, 3};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(mg_setup_circuit(&m[i]), circuits[i]);
        assert_int_equal(m[i].session.connector, circuits[i] + 1);
        assert_int_equal(mg_setup_device(o.setup, i), devices[i]);
    }
    assert_true(mg_setup_is_one_device(&m[0], &m[1]));
    assert_false(mg_setup_is_one_device(&m[1], &m[2]));
    assert_string_equal(mg_setup_circuit_text(&m[1]), "left");
    assert_null(mg_setup_circuit_text(&m[3]));
    /* The unit sends its messages once. */
    assert_true(mg_setup_meter_load_ns(o.setup, 0) > 0);
    assert_int_equal(mg_setup_meter_load_ns(o.setup, 1), 0);
    assert_int_equal(mg_setup_meter_load_ns(o.setup, 2),
                     mg_setup_meter_load_ns(o.setup, 0));
    outcome_free(&o);
}

#define SERVED                                                                 \
    "meters: [{id: m, model: wm3m4c, bus: b, unit: 1, session: {everest: "     \
    "p}}]\n"

static void test_everest(void **state)
{
    (void)state;
    struct outcome o = parse(HEAD BUS SERVED "mqtt: {host: x, username: u}\n"
                                             "everest: {interval: 2s}\n");
    assert_string_equal(o.report, "");
    const struct mg_setup_everest *e = &o.setup->everest;
    assert_true(e->is_enabled && e->mqtt.is_enabled);
    assert_int_equal(e->interval_ms, 2000);
    assert_string_equal(e->mqtt.host, "x");
    assert_int_equal(e->mqtt.port, 8883);
    assert_string_equal(e->mqtt.username, "u");
    assert_ptr_not_equal(e->mqtt.username, o.setup->mqtt.username);
    assert_string_equal(e->mqtt.client_id, "everest-g");
    outcome_free(&o);
    o = parse(HEAD BUS SERVED "everest: {mqtt: {host: y, tls: false, "
                              "client_id: me}}\n");
    assert_string_equal(o.report, "");
    e = &o.setup->everest;
    assert_false(o.setup->mqtt.is_enabled);
    assert_int_equal(e->interval_ms, 1000);
    assert_string_equal(e->mqtt.host, "y");
    assert_int_equal(e->mqtt.port, 1883);
    assert_string_equal(e->mqtt.client_id, "me");
    assert_int_equal(e->mqtt.window, 16);
    outcome_free(&o);
    o = parse(HEAD BUS METER);
    assert_false(o.setup->everest.is_enabled);
    assert_false(o.setup->station.is_enabled);
    assert_string_equal(o.setup->timezone, "UTC");
    outcome_free(&o);
}

static void test_line_without_meters(void **state)
{
    (void)state;
    struct outcome o =
        parse(HEAD METER "buses:\n- {id: b, type: modbus-tcp, host: h}\n"
                         "- {id: c, type: modbus-rtu, device: /dev/ttyS9}\n");
    assert_int_equal(o.code, MG_OK);
    assert_int_equal(o.setup->buses[1].modbus.baud, 9600);
    assert_int_equal(o.setup->buses[1].tty.serial.parity, 'E');
    assert_int_equal(o.setup->buses[1].modbus.char_bits, 11);
    outcome_free(&o);
}

/* ---- Files ---- */

struct folder {
    char path[64];
};

static void in_folder(const struct folder *f, const char *name, char *path,
                      size_t cap)
{
    (void)snprintf(path, cap, "%s/%s", f->path, name);
}

static void put(const struct folder *f, const char *name, const char *text,
                mode_t mode)
{
    char path[128];
    in_folder(f, name, path, sizeof path);
    write_file(path, text, mode);
}

static struct outcome load_with_password(const struct folder *f,
                                         const char *password, mode_t mode)
{
    char path[128];
    put(f, "password", password, mode);
    put(f, "c.yaml",
        HEAD BUS METER
        "mqtt: {host: x, username: u, password_file: password}\n",
        0644);
    in_folder(f, "c.yaml", path, sizeof path);
    return load(path);
}

static int make_folder(void **state)
{
    static struct folder folder;
    (void)snprintf(folder.path, sizeof folder.path, "/tmp/test_config_XXXXXX");
    *state = &folder;
    return mkdtemp(folder.path) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    static const char *const names[] = {"password", "c.yaml", "key.pem",
                                        "cert.pem", "tty0",   "link0"};
    const struct folder *f = *state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        in_folder(f, names[i], path, sizeof path);
        (void)unlink(path); /* not every test makes each of them */
    }
    return rmdir(f->path);
}

static void test_password(void **state)
{
    const struct folder *f = *state;
    struct outcome o = load_with_password(f, "hunter2\n", 0600);
    assert_string_equal(o.report, "");
    assert_string_equal(o.setup->mqtt.password, "hunter2");
    outcome_free(&o);
    o = load_with_password(f, "hunter 2\r\n", 0640);
    assert_int_equal(o.code, MG_OK);
    assert_string_equal(o.setup->mqtt.password, "hunter 2");
    outcome_free(&o);
    char text[300];
    memset(text, 'x', sizeof text);
    text[256] = '\n';
    text[257] = '\0';
    o = load_with_password(f, text, 0600);
    assert_int_equal(o.code, MG_OK);
    assert_int_equal(strlen(o.setup->mqtt.password), 256);
    outcome_free(&o);
}

static void test_password_refused(void **state)
{
    const struct folder *f = *state;
    static const char *const wrong[] = {"", "\n", "hunter2\nhunter3\n",
                                        "hunter2\n\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct outcome o = load_with_password(f, wrong[i], 0600);
        expect_fault(&o, "does not hold one line");
        assert_null(strstr(o.report, "hunter"));
        outcome_free(&o);
    }
    char text[300];
    memset(text, 'x', sizeof text);
    text[257] = '\0';
    struct outcome o = load_with_password(f, text, 0600);
    expect_fault(&o, "1 to 256 bytes");
    outcome_free(&o);
    text[257] = 'x';
    text[299] = '\0';
    o = load_with_password(f, text, 0600);
    expect_fault(&o, "is larger than");
    outcome_free(&o);
    o = load_with_password(f, "hunter2\n", 0644);
    expect_fault(&o, "(mode 0644); expected at most 0640");
    assert_null(strstr(o.report, "hunter"));
    assert_int_equal(o.n_faults, 1);
    outcome_free(&o);
}

static void test_key_files(void **state)
{
    const struct folder *f = *state;
    char path[128];
    put(f, "cert.pem", "x", 0644);
    put(f, "key.pem", "x", 0644);
    put(f, "c.yaml",
        HEAD BUS METER
        "mqtt: {host: x, cert_file: cert.pem, key_file: key.pem}\n",
        0644);
    in_folder(f, "c.yaml", path, sizeof path);
    struct outcome o = load(path);
    expect_fault(&o, "key_file: others may read or write");
    assert_int_equal(o.n_faults, 1);
    outcome_free(&o);
    put(f, "key.pem", "x", 0600);
    o = load(path);
    assert_string_equal(o.report, "");
    in_folder(f, "key.pem", path, sizeof path);
    assert_string_equal(o.setup->mqtt.key_file, path);
    outcome_free(&o);
}

/* A key that signs is for its owner only. */
static void test_station_key(void **state)
{
    const struct folder *f = *state;
    char path[128];
    put(f, "key.pem", "x", 0640);
    put(f, "c.yaml", HEAD BUS METER "station: {key_file: key.pem}\n", 0644);
    in_folder(f, "c.yaml", path, sizeof path);
    struct outcome o = load(path);
    expect_fault(&o, "(mode 0640); expected at most 0600");
    assert_int_equal(o.n_faults, 1);
    outcome_free(&o);
    put(f, "key.pem", "x", 0600);
    o = load(path);
    assert_string_equal(o.report, "");
    in_folder(f, "key.pem", path, sizeof path);
    assert_string_equal(o.setup->station.key_file, path);
    assert_string_equal(o.setup->station.identification, "g");
    assert_string_equal(o.setup->station.serial, "");
    assert_memory_equal(o.setup->station.version, "metergate ", 10);
    outcome_free(&o);
}

/* Two names of one device are one line. */
static void test_linked_devices(void **state)
{
    const struct folder *f = *state;
    char path[128];
    char link[128];
    char text[512];
    put(f, "tty0", "", 0644);
    in_folder(f, "tty0", path, sizeof path);
    in_folder(f, "link0", link, sizeof link);
    assert_int_equal(symlink(path, link), 0);
    (void)snprintf(text, sizeof text,
                   HEAD "buses:\n"
                        "  - {id: b, type: modbus-rtu, device: %s}\n"
                        "  - {id: c, type: modbus-rtu, device: %s}\n" METER,
                   link, path);
    put(f, "c.yaml", text, 0644);
    in_folder(f, "c.yaml", path, sizeof path);
    struct outcome o = load(path);
    expect_fault(&o, "device: bus b (line 3) is on this line already");
    outcome_free(&o);
}

static void test_unreadable(void **state)
{
    const struct folder *f = *state;
    char path[128];
    in_folder(f, "c.yaml", path, sizeof path);
    struct outcome o = load(path);
    assert_int_equal(o.code, MG_E_IO);
    assert_int_equal(o.n_faults, 1);
    assert_non_null(strstr(o.report, "No such file"));
    outcome_free(&o);
    o = load(f->path);
    assert_int_equal(o.code, MG_E_IO);
    assert_non_null(strstr(o.report, "is no regular file"));
    outcome_free(&o);
    char *large = malloc((1 << 20) + 2);
    assert_non_null(large);
    memset(large, '#', (1 << 20) + 1);
    large[(1 << 20) + 1] = '\0';
    put(f, "c.yaml", large, 0644);
    o = load(path);
    assert_int_equal(o.code, MG_E_IO);
    assert_non_null(strstr(o.report, "larger than"));
    outcome_free(&o);
    o = parse(large);
    expect_fault(&o, "larger than 1 MiB");
    outcome_free(&o);
    free(large);
}

/* ---- Hostile input ---- */

/* 2,000 meters whose options unfold to 1,000 lines each. */
static void test_amplification(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    (void)fputs(HEAD BUS "meters:\n- &m {id: m, model: kpm31, bus: b, unit: 1,"
                         " options: {",
                out);
    for (int i = 0; i < 1000; i++) {
        (void)fprintf(out, "x%d: 1,", i);
    }
    (void)fputs("variant: A}}\n", out);
    for (int i = 0; i < 2000; i++) {
        (void)fputs("- *m\n", out);
    }
    assert_int_equal(fclose(out), 0);
    struct outcome o = parse_len(text, len);
    assert_int_equal(o.code, MG_E_INVAL);
    assert_non_null(strstr(o.report, " more\n"));
    /* Two millions without the limit on unfolded nodes. */
    assert_in_range(o.n_faults, 900000, 1100000);
    outcome_free(&o);
    free(text);
}

static void test_too_many_entries(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    (void)fputs(HEAD METER "buses:\n- &b {id: b, type: modbus-tcp, host: h}\n",
                out);
    for (int i = 0; i < MG_SETUP_BUSES_MAX; i++) {
        (void)fputs("- *b\n", out);
    }
    assert_int_equal(fclose(out), 0);
    struct outcome o = parse_len(text, len);
    expect_fault(&o, "buses: 4097 entries; expected 1 to 4096");
    outcome_free(&o);
    free(text);
}

/* Any prefix of a good file is an error or good, and never a crash. */
static void test_truncated(void **state)
{
    (void)state;
    char *text = slurp("full.yaml", TEXT_MAX);
    assert_non_null(text);
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        struct outcome o = parse_len(text, i);
        assert_int_equal(o.setup != NULL, o.code == MG_OK);
        assert_int_equal(o.report[0] != '\0', o.code != MG_OK);
        outcome_free(&o);
    }
    free(text);
}

static void test_no_plugins(void **state)
{
    (void)state;
    static const struct mg_plugins none;
    struct mg_setup *setup = NULL;
    char *report = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&report, &len);
    assert_non_null(out);
    static const char text[] = HEAD BUS METER;
    assert_int_equal(mg_config_parse("t.yaml", text, strlen(text), &none, true,
                                     out, &setup, NULL),
                     MG_E_INVAL);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(report, "unknown model \"kpm31\"; there is none"));
    assert_null(setup);
    free(report);
}

/* ---- The setup ---- */

static void test_setup_needs(void **state)
{
    (void)state;
    struct outcome o = load("full.yaml");
    assert_int_equal(o.code, MG_OK);
    struct mg_setup *s = o.setup;
    assert_true(mg_setup_descriptors(s) >= 4 + 20);
    /* 4800 baud, 11 bits: the exchanges of 20 and 2 registers have 8 + 45 and
     * 8 + 9 characters, 160 ms in all, the gaps on top, every 2 s. */
    uint32_t load_now = mg_setup_bus_load(s, 0);
    assert_in_range(load_now, 80, 110);
    s->meters[0].interval_ms = 1000;
    assert_in_range(mg_setup_bus_load(s, 0), 2 * load_now - 4,
                    2 * load_now + 4);
    assert_int_equal(mg_setup_bus_load(s, 2), 0);
    uint64_t ns[MG_N_GROUPS];
    assert_int_equal(mg_setup_poll_ns(s, 0, ns), MG_OK);
    assert_true(ns[MG_GROUP_LIVE] > ns[MG_GROUP_SLOW]);
    assert_true(ns[MG_GROUP_SLOW] > 0);
    assert_int_equal(ns[MG_GROUP_INFO], 0);
    s->meters[0].max_registers = 1;
    assert_int_not_equal(mg_setup_poll_ns(s, 0, ns), MG_OK);
    outcome_free(&o);
    mg_setup_destroy(NULL);
}

/* ---- README ---- */

static void test_readme(void **state)
{
    (void)state;
    char path[512];
    (void)snprintf(path, sizeof path, "%s/README.md", config_dir);
    char *readme = slurp(path, README_MAX);
    assert_non_null(readme);
    char *keys = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&keys, &len);
    assert_non_null(out);
    mg_keys_document(out);
    assert_int_equal(fclose(out), 0);
    static const char begin[] = "<!-- keys -->\n\n";
    char *start = strstr(readme, begin);
    assert_non_null(start);
    start += strlen(begin);
    char *end = strstr(start, "<!-- end of keys -->");
    assert_non_null(end);
    if (getenv("MG_GOLDEN_UPDATE") != NULL) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        (void)fprintf(file, "%.*s%s%s", (int)(start - readme), readme, keys,
                      end);
        assert_int_equal(fclose(file), 0);
    } else {
        *end = '\0';
        assert_string_equal(start, keys);
    }
    free(keys);
    free(readme);
}

int main(int argc, char **argv)
{
    if (argc != 3 || chdir(argv[1]) != 0) {
        (void)fprintf(stderr, "usage: test_config DATA-FOLDER CONFIG-FOLDER\n");
        return 2;
    }
    config_dir = argv[2];
    fake_plugins(&plugins);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_full_mqtt),
        cmocka_unit_test(test_full_buses),
        cmocka_unit_test(test_full_meters),
        cmocka_unit_test(test_full_defaults),
        cmocka_unit_test(test_short),
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_device),
        cmocka_unit_test(test_everest),
        cmocka_unit_test(test_line_without_meters),
        cmocka_unit_test_setup_teardown(test_password, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_password_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_key_files, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_station_key, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_linked_devices, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_unreadable, make_folder,
                                        remove_folder),
        cmocka_unit_test(test_amplification),
        cmocka_unit_test(test_too_many_entries),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_no_plugins),
        cmocka_unit_test(test_setup_needs),
        cmocka_unit_test(test_readme),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
