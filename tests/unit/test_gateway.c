/* The gateway over simulated meters with their own firmware: readings,
 * commands, memories that last; and how a simulation is made. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway_bed.h"
#include "run/simulation.h"

struct simulated {
    struct gateway_bed bed;
    struct mg_simulation *simulation;
    char keep_dir[112];
};

static struct mg_transport *open_line(void *ctx, size_t bus)
{
    struct simulated *s = ctx;
    return mg_sim_line_memory(mg_simulation_line(s->simulation, bus));
}

static struct simulated *new_simulated(size_t n_meters)
{
    struct simulated *s = malloc(sizeof *s);
    assert_non_null(s);
    bed_init(&s->bed, n_meters);
    s->simulation = NULL;
    s->bed.line = open_line;
    s->bed.line_ctx = s;
    (void)snprintf(s->keep_dir, sizeof s->keep_dir, "%s/keep", s->bed.dir);
    for (size_t i = 0; i < n_meters; i++) {
        bed_set_option(&s->bed, i, "variant", "B");
        bed_allow(&s->bed, i, "relay");
        bed_allow(&s->bed, i, "clear-energy");
        bed_allow(&s->bed, i, "set-baud");
    }
    return s;
}

static void begin(struct simulated *s)
{
    struct mg_err err = {0};
    s->bed.clock = mg_clock_create_virtual(s->bed.utc_ms);
    struct mg_simulation_settings settings = {.clock = s->bed.clock,
                                              .keep_dir = s->keep_dir};
    s->simulation = mg_simulation_create(&s->bed.setup, &settings, &err);
    if (s->simulation == NULL) {
        fail_msg("%s", err.text);
    }
    bed_run(&s->bed);
}

/* The lines' timers are on the clock: they go before it. */
static void end(struct simulated *s)
{
    mg_gateway_stop(s->bed.gateway);
    mg_simulation_destroy(s->simulation);
    s->simulation = NULL;
    bed_stop(&s->bed);
}

static void done_with(struct simulated *s)
{
    for (size_t i = 0; i < s->bed.setup.n_meters; i++) {
        char path[200];
        (void)snprintf(path, sizeof path, "%s/m%zu.nv", s->keep_dir, i);
        (void)unlink(path);
    }
    (void)rmdir(s->keep_dir);
    bed_fini(&s->bed);
    free(s);
}

static double number(const char *json, const char *key)
{
    char text[64];
    bed_text(json, key, text, sizeof text);
    return strtod(text, NULL);
}

static void assert_near(double value, double expected, double tolerance)
{
    if (value < expected - tolerance || value > expected + tolerance) {
        fail_msg("%f is not %f +- %f", value, expected, tolerance);
    }
}

static void test_readings(void **state)
{
    (void)state;
    struct simulated *s = new_simulated(3);
    begin(s);
    bed_pass(&s->bed, 60000);
    for (size_t i = 0; i < 3; i++) {
        char topic[40];
        (void)snprintf(topic, sizeof topic, "m/m%zu/state", i);
        const char *reading = bed_topic(&s->bed, topic);
        bed_assert_text(reading, "quality", "good");
        assert_near(number(reading, "voltage_v"), 230, 1);
        assert_near(number(reading, "current_a"), 10, 0.05);
        assert_near(number(reading, "power_active_w"), 2300, 15);
        /* A minute of 2.3 kW. */
        assert_near(number(reading, "energy_active_wh"), 2300.0 / 60, 2.5);
        (void)snprintf(topic, sizeof topic, "m/m%zu/info", i);
        char serial[40];
        (void)snprintf(serial, sizeof serial, "2600000%zu\",", i + 1);
        assert_non_null(strstr(bed_topic(&s->bed, topic), serial));
    }
    assert_int_equal(bed_n_events(&s->bed, "implausible"), 0);
    assert_int_equal(bed_n_events(&s->bed, "meter-offline"), 0);
    end(s);
    done_with(s);
}

static void test_relay_stops_the_load(void **state)
{
    (void)state;
    struct simulated *s = new_simulated(1);
    struct mg_fw_outputs outputs;
    begin(s);
    bed_pass(&s->bed, 5000);
    mg_sim_device_outputs(mg_simulation_device(s->simulation, 0), &outputs);
    bool was_closed = outputs.circuit[0].load_connected;
    bed_command(&s->bed, "m0", "relay",
                was_closed ? "{\"closed\":false}" : "{\"closed\":true}");
    bed_pass(&s->bed, 5000);
    bed_assert_text(s->bed.replies[0], "ok", "true");
    mg_sim_device_outputs(mg_simulation_device(s->simulation, 0), &outputs);
    assert_int_equal(outputs.circuit[0].load_connected, !was_closed);
    assert_near(number(bed_topic(&s->bed, "m/m0/state"), "current_a"),
                was_closed ? 0 : 10, 0.05);
    end(s);
    done_with(s);
}

static void test_clear(void **state)
{
    (void)state;
    struct simulated *s = new_simulated(1);
    begin(s);
    bed_pass(&s->bed, 60000);
    bed_command(&s->bed, "m0", "clear-energy", "{}");
    bed_pass(&s->bed, 5000);
    bed_assert_text(s->bed.replies[0], "ok", "true");
    const char *reading = bed_topic(&s->bed, "m/m0/state");
    assert_int_equal(bed_int(reading, "reg_epoch"), 2);
    assert_near(number(reading, "energy_active_wh"), 2, 2);
    assert_int_equal(bed_n_events(&s->bed, "register-epoch"), 1);
    assert_int_equal(bed_n_events(&s->bed, "implausible"), 0);
    end(s);
    done_with(s);
}

/* What the meters keep and what the gateway keeps fit together. */
static void test_memories_last(void **state)
{
    (void)state;
    struct simulated *s = new_simulated(1);
    begin(s);
    bed_pass(&s->bed, 600000);
    double before =
        number(bed_topic(&s->bed, "m/m0/state"), "energy_active_wh");
    assert_true(before > 350);
    end(s);
    begin(s);
    bed_pass(&s->bed, 5000);
    const char *reading = bed_topic(&s->bed, "m/m0/state");
    assert_near(number(reading, "energy_active_wh"), before + 3, 5);
    assert_int_equal(bed_int(reading, "reg_epoch"), 1);
    assert_int_equal(bed_n_events(&s->bed, "implausible"), 0);
    assert_int_equal(bed_n_events(&s->bed, "meter-exchanged"), 0);
    end(s);
    done_with(s);
}

static unsigned n_read_in_10_s(struct simulated *s)
{
    unsigned n_before = s->bed.samples[0][MG_GROUP_LIVE].n;
    bed_pass(&s->bed, 10000);
    return s->bed.samples[0][MG_GROUP_LIVE].n - n_before;
}

static void test_set_baud(void **state)
{
    (void)state;
    struct simulated *s = new_simulated(1);
    s->bed.meters[0].interval_ms = 2000;
    begin(s);
    bed_pass(&s->bed, 5000);
    bed_command(&s->bed, "m0", "set-baud", "{\"baud\":\"4800\"}");
    bed_pass(&s->bed, 20000);
    bed_assert_text(s->bed.replies[0], "ok", "true");
    assert_int_equal(bed_n_events(&s->bed, "meter-moved"), 1);
    assert_in_range(n_read_in_10_s(s), 4, 5);
    end(s);
    begin(s); /* known after a restart */
    bed_pass(&s->bed, 5000);
    assert_in_range(n_read_in_10_s(s), 4, 5);
    end(s);
    /* The configuration was brought up to date: the line has that speed. */
    s->bed.buses[0].modbus.baud = 4800;
    s->bed.buses[0].tty.serial.baud = 4800;
    begin(s);
    bed_pass(&s->bed, 5000);
    assert_in_range(n_read_in_10_s(s), 4, 5);
    end(s);
    done_with(s);
}

/* ---- Making a simulation ---- */

static void test_settings_refused(void **state)
{
    (void)state;
    struct simulated *s = new_simulated(1);
    struct mg_clock *clock = mg_clock_create_virtual(0);
    struct mg_err err = {0};
    char long_dir[160];
    memset(long_dir, 'x', sizeof long_dir - 1);
    long_dir[sizeof long_dir - 1] = '\0';
    struct mg_simulation_settings settings = {.clock = clock,
                                              .port_base = 65535};
    assert_null(mg_simulation_create(&s->bed.setup, &settings, &err));
    assert_non_null(strstr(err.text, "bus b1"));
    assert_non_null(strstr(err.text, "65535"));
    settings =
        (struct mg_simulation_settings){.clock = clock, .link_dir = long_dir};
    assert_null(mg_simulation_create(&s->bed.setup, &settings, &err));
    assert_non_null(strstr(err.text, "bus b0"));
    settings = (struct mg_simulation_settings){.clock = clock,
                                               .keep_dir = "/proc/no/such"};
    assert_null(mg_simulation_create(&s->bed.setup, &settings, &err));
    assert_non_null(strstr(err.text, "/proc/no/such"));
    struct mg_plugin plugin = *s->bed.meters[0].plugin;
    plugin.firmware = NULL;
    s->bed.meters[0].plugin = &plugin;
    settings = (struct mg_simulation_settings){.clock = clock};
    assert_null(mg_simulation_create(&s->bed.setup, &settings, &err));
    assert_int_equal(err.code, MG_E_NOSUP);
    mg_clock_destroy(clock);
    done_with(s);
}

static void test_redirect_tcp(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "host",
                                      "host:",
                                      ":502",
                                      "host:0",
                                      "host:65536",
                                      "host:-1",
                                      "host: 502",
                                      "host:+502",
                                      "host:502x",
                                      "host:0x1f",
                                      "host:99999999999999999999",
                                      "host:-18446744073709551114"};
    struct mg_setup_bus bus = {
        .modbus.framing = MG_MODBUS_TCP, .host = "meter", .port = 502};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (mg_simulation_redirect(&bus, bad[i]) != MG_E_PROTO) {
            fail_msg("%s was taken", bad[i]);
        }
        assert_string_equal(bus.host, "meter");
        assert_int_equal(bus.port, 502);
    }
    char long_host[300];
    memset(long_host, 'h', sizeof long_host);
    (void)snprintf(long_host + 256, 10, ":1");
    assert_int_equal(mg_simulation_redirect(&bus, long_host), MG_E_PROTO);
    assert_int_equal(mg_simulation_redirect(&bus, long_host + 1), MG_OK);
    assert_int_equal(strlen(bus.host), 255);
    assert_int_equal(mg_simulation_redirect(&bus, "127.0.0.1:65535"), MG_OK);
    assert_string_equal(bus.host, "127.0.0.1");
    assert_int_equal(bus.port, 65535);
}

static void test_redirect_tty(void **state)
{
    (void)state;
    struct mg_setup_bus bus = {.modbus.framing = MG_MODBUS_RTU,
                               .tty = {.device = "/dev/ttyS0",
                                       .has_rs485 = true,
                                       .is_low_latency = true}};
    char path[200];
    memset(path, 'p', sizeof path - 1);
    path[128] = '\0';
    assert_int_equal(mg_simulation_redirect(&bus, ""), MG_E_PROTO);
    assert_int_equal(mg_simulation_redirect(&bus, path), MG_E_PROTO);
    assert_string_equal(bus.tty.device, "/dev/ttyS0");
    assert_true(bus.tty.has_rs485);
    assert_int_equal(mg_simulation_redirect(&bus, path + 1), MG_OK);
    assert_string_equal(bus.tty.device, path + 1);
    assert_false(bus.tty.has_rs485);
    assert_false(bus.tty.is_low_latency);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readings),
        cmocka_unit_test(test_relay_stops_the_load),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_memories_last),
        cmocka_unit_test(test_set_baud),
        cmocka_unit_test(test_settings_refused),
        cmocka_unit_test(test_redirect_tcp),
        cmocka_unit_test(test_redirect_tty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
