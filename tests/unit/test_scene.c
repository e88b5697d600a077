/* A scenario on a whole gateway in virtual time: the same seed gives the same
 * bytes on every wire, and energy is conserved from the load to the sink.
 *
 * test_scene PLUGINS */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/scenario.h"
#include "model/sample.h"
#include "run/gateway.h"
#include "run/scene.h"
#include "sim/rng.h"
#include "sim/truth.h"

#define BUSES_MAX  4
#define METERS_MAX 8
#define SECOND_NS  UINT64_C(1000000000)
#define START_MS   INT64_C(1748768400000) /* 2025-06-01 09:00 UTC */

static struct mg_plugins plugins;

static const char depot[] =
    "gateway: {id: g}\n"
    "simulation: {seed: 5, turnaround: 5ms}\n"
    "buses:\n"
    "  - {id: line1, type: modbus-rtu, device: /dev/ttyS77, baud: 9600}\n"
    "  - {id: gw1, type: modbus-tcp, host: h}\n"
    "  - {id: line2, type: modbus-rtu, device: /dev/ttyS78}\n"
    "  - {id: can0, type: socketcan}\n"
    "meters:\n"
    "  - {id: cp1, model: kpm31, bus: line1, unit: 1, options: {variant: B}}\n"
    "  - {id: cp2, model: kpm31, bus: line1, unit: 2}\n"
    "  - {id: cp3, model: kpm31, bus: gw1, unit: 1}\n"
    "  - {id: cp4, model: wm3m4c, bus: line2, unit: 33}\n"
    "  - {id: cp5, model: cpkm3000, bus: can0, unit: 1}\n"
    "  - {id: cp6, model: cpkm3000, bus: can0, unit: 2}\n"
    "  - {id: cp7, model: cpim1000, bus: can0, unit: 3, options: {side: right}}"
    "\n"
    "  - {id: cp8, model: cpim1000, bus: can0, unit: 3, options: {side: left}}"
    "\n";

/* ---- Hashes ---- */

static void mix(uint64_t *hash, const void *data, size_t len)
{
    const uint8_t *p = data;
    for (size_t i = 0; i < len; i++) {
        *hash = (*hash ^ p[i]) * 0x100000001b3U;
    }
    *hash = mg_sim_hash(*hash ^ len);
}

struct bed;

/* Listens to one memory line, both ways. */
struct tap {
    struct bed *bed;
    uint64_t hash, n;
    struct mg_transport_ops ops;
    const struct mg_transport_ops *real_ops;
    struct mg_transport_events events;
    const struct mg_transport_events *real_events;
    struct mg_can_transport_ops can_ops;
    const struct mg_can_transport_ops *real_can_ops;
    struct mg_can_transport_events can_events;
    const struct mg_can_transport_events *real_can_events;
    void *real_ctx;
    const void *transport;
};

struct meter_end {
    int64_t import_mwh, export_mwh, resolution_mwh; /* of the last sample */
    int64_t truth_mwh;
    uint64_t n_pulses, n_samples;
};

struct bed {
    uv_loop_t loop;
    struct mg_clock *clock;
    struct mg_setup *setup;
    struct mg_sim_scenario *scenario;
    struct mg_simulation *simulation;
    struct mg_scene *scene;
    struct mg_gateway *gateway;
    struct tap taps[BUSES_MAX];
    uint64_t samples_hash;
    struct meter_end ends[METERS_MAX];
};

static struct tap *find_tap(struct bed *b, const void *transport)
{
    for (size_t i = 0; i < BUSES_MAX; i++) {
        if (b->taps[i].transport == transport) {
            return &b->taps[i];
        }
    }
    return NULL;
}

static struct bed *the_bed; /* the ops have no context of their own */

static void note(struct tap *t, const void *data, size_t len)
{
    uint64_t now_ns = mg_clock_now_ns(t->bed->clock);
    mix(&t->hash, &now_ns, sizeof now_ns);
    mix(&t->hash, data, len);
    t->n += len;
}

static void line_opened(void *ctx)
{
    struct tap *t = ctx;
    t->real_events->opened(t->real_ctx);
}

static void line_received(void *ctx, const uint8_t *data, size_t len)
{
    struct tap *t = ctx;
    note(t, data, len);
    t->real_events->received(t->real_ctx, data, len);
}

static void line_lost(void *ctx, const struct mg_err *err)
{
    struct tap *t = ctx;
    t->real_events->lost(t->real_ctx, err);
}

static int line_send(struct mg_transport *transport, const uint8_t *data,
                     size_t len, struct mg_err *err)
{
    struct tap *t = find_tap(the_bed, transport);
    note(t, data, len);
    return t->real_ops->send(transport, data, len, err);
}

static int line_open(struct mg_transport *transport, struct mg_err *err)
{
    struct tap *t = find_tap(the_bed, transport);
    if (transport->events != &t->events) {
        t->real_events = transport->events;
        t->real_ctx = transport->ctx;
        t->events =
            (struct mg_transport_events){line_opened, line_received, line_lost};
        transport->events = &t->events;
        transport->ctx = t;
    }
    return t->real_ops->open(transport, err);
}

static struct mg_transport *make_line(void *ctx, size_t bus)
{
    struct bed *b = ctx;
    struct tap *t = &b->taps[bus];
    struct mg_transport *line =
        mg_sim_line_memory(mg_simulation_line(b->simulation, bus));
    assert_non_null(line);
    t->bed = b;
    t->transport = line;
    t->real_ops = line->ops;
    t->ops = *line->ops;
    t->ops.open = line_open;
    t->ops.send = line_send;
    line->ops = &t->ops;
    return line;
}

static void note_frame(struct tap *t, const struct mg_can_frame *frame)
{
    note(t, &frame->id, sizeof frame->id);
    note(t, frame->data, frame->len);
}

static void can_opened(void *ctx)
{
    struct tap *t = ctx;
    t->real_can_events->opened(t->real_ctx);
}

static void can_received(void *ctx, const struct mg_can_frame *frame,
                         uint64_t arrived_ns)
{
    struct tap *t = ctx;
    note_frame(t, frame);
    t->real_can_events->received(t->real_ctx, frame, arrived_ns);
}

static int can_send(struct mg_can_transport *transport,
                    const struct mg_can_frame *frame, struct mg_err *err)
{
    struct tap *t = find_tap(the_bed, transport);
    note_frame(t, frame);
    return t->real_can_ops->send(transport, frame, err);
}

static void can_sent(void *ctx)
{
    struct tap *t = ctx;
    t->real_can_events->sent(t->real_ctx);
}

static void can_state(void *ctx, const struct mg_can_status *status)
{
    struct tap *t = ctx;
    t->real_can_events->state(t->real_ctx, status);
}

static void can_overrun(void *ctx, uint64_t n)
{
    struct tap *t = ctx;
    t->real_can_events->overrun(t->real_ctx, n);
}

static void can_lost(void *ctx, const struct mg_err *err)
{
    struct tap *t = ctx;
    t->real_can_events->lost(t->real_ctx, err);
}

static int can_open(struct mg_can_transport *transport,
                    const struct mg_can_filter *filters, size_t n,
                    struct mg_err *err)
{
    struct tap *t = find_tap(the_bed, transport);
    if (transport->events != &t->can_events) {
        t->real_can_events = transport->events;
        t->real_ctx = transport->ctx;
        t->can_events = (struct mg_can_transport_events){
            can_opened, can_received, can_sent,
            can_state,  can_overrun,  can_lost};
        transport->events = &t->can_events;
        transport->ctx = t;
    }
    return t->real_can_ops->open(transport, filters, n, err);
}

static struct mg_can_transport *make_can(void *ctx, size_t bus)
{
    struct bed *b = ctx;
    struct tap *t = &b->taps[bus];
    struct mg_can_transport *can =
        mg_sim_can_bus_memory(mg_simulation_can(b->simulation, bus));
    assert_non_null(can);
    t->bed = b;
    t->transport = can;
    t->real_can_ops = can->ops;
    t->can_ops = *can->ops;
    t->can_ops.open = can_open;
    t->can_ops.send = can_send;
    can->ops = &t->can_ops;
    return can;
}

/* What goes to the sink. */
static void on_sample(void *ctx, size_t meter, const struct mg_sample *sample)
{
    struct bed *b = ctx;
    struct meter_end *e = &b->ends[meter];
    for (size_t i = 0; i < sample->n_values; i++) {
        const struct mg_value *v = &sample->values[i];
        mix(&b->samples_hash, &v->channel, sizeof v->channel);
        mix(&b->samples_hash, &v->quality, sizeof v->quality);
        mix(&b->samples_hash, &v->value, sizeof v->value);
    }
    const struct mg_value *import =
        mg_sample_find(sample, MG_CH(ENERGY_ACTIVE_IMPORT, TOTAL));
    const struct mg_value *export =
        mg_sample_find(sample, MG_CH(ENERGY_ACTIVE_EXPORT, TOTAL));
    if (import != NULL && import->quality == MG_QUALITY_GOOD) {
        e->import_mwh = import->value;
        e->n_samples++;
    }
    if (export != NULL && export->quality == MG_QUALITY_GOOD) {
        e->export_mwh = export->value;
    }
}

/* ---- Running ---- */

static void load(struct bed *b, const char *scenario)
{
    size_t n_faults;
    int code = mg_config_parse("depot.yaml", depot, strlen(depot), &plugins,
                               false, stderr, &b->setup, &n_faults);
    assert_int_equal(code, MG_OK);
    assert_true(b->setup->n_meters <= METERS_MAX);
    code = mg_scenario_parse("scenario.yaml", scenario, strlen(scenario),
                             b->setup, stderr, &b->scenario, &n_faults);
    assert_int_equal(code, MG_OK);
}

static void start(struct bed *b)
{
    static const struct mg_gateway_observer observer = {.sample = on_sample};
    struct mg_err err = {0};
    assert_int_equal(uv_loop_init(&b->loop), 0);
    b->clock = mg_clock_create_virtual(START_MS);
    assert_non_null(b->clock);
    b->simulation = mg_simulation_create(
        b->setup, &(struct mg_simulation_settings){.clock = b->clock}, &err);
    assert_non_null(b->simulation);
    b->scene =
        mg_scene_create(&(struct mg_scene_settings){.clock = b->clock,
                                                    .setup = b->setup,
                                                    .simulation = b->simulation,
                                                    .scenario = b->scenario});
    assert_non_null(b->scene);
    b->gateway =
        mg_gateway_create(&(struct mg_gateway_settings){.loop = &b->loop,
                                                        .clock = b->clock,
                                                        .setup = b->setup,
                                                        .line = make_line,
                                                        .can_line = make_can,
                                                        .is_simulated = true,
                                                        .observer = &observer,
                                                        .ctx = b},
                          &err);
    assert_non_null(b->gateway);
    assert_int_equal(mg_gateway_start(b->gateway, &err), MG_OK);
}

/* Of the meter's side of its device. */
static int64_t true_mwh(const struct mg_sim_device *d, unsigned circuit)
{
    const struct mg_sim_energies *e = &mg_sim_device_truth(d)->circuit[circuit];
    return e->import.mwh - e->export.mwh;
}

static void run_until(struct bed *b, uint64_t until_s)
{
    mg_clock_advance(b->clock, until_s * SECOND_NS);
    for (size_t m = 0; m < b->setup->n_meters; m++) {
        struct mg_fw_outputs out;
        mg_simulation_live(b->simulation, m);
        const struct mg_sim_device *d = mg_simulation_device(b->simulation, m);
        mg_sim_device_outputs(d, &out);
        unsigned circuit = mg_setup_circuit(&b->setup->meters[m]);
        b->ends[m].truth_mwh = true_mwh(d, circuit);
        b->ends[m].n_pulses = out.circuit[circuit].n_pulses;
    }
}

/* All registers, as another client would read them one by one. */
static uint64_t registers_hash(struct bed *b)
{
    uint64_t hash = 0;
    for (size_t m = 0; m < b->setup->n_meters; m++) {
        struct mg_sim_device *d = mg_simulation_device(b->simulation, m);
        size_t len;
        const uint8_t *nv = mg_sim_device_nv(d, &len);
        mix(&hash, nv, len);
        for (unsigned a = 0;
             b->setup->meters[m].plugin->bus == MG_BUS_MODBUS && a < 0x10000;
             a++) {
            uint8_t answer[MG_PDU_MAX];
            const uint8_t ask[] = {3, (uint8_t)(a >> 8), (uint8_t)a, 0, 1};
            len = mg_sim_device_pdu(d, b->setup->meters[m].unit, ask,
                                    sizeof ask, answer);
            mix(&hash, answer, len);
        }
    }
    return hash;
}

static void stop(struct bed *b)
{
    mg_gateway_stop(b->gateway);
    mg_gateway_destroy(b->gateway);
    mg_scene_destroy(b->scene);
    mg_simulation_destroy(b->simulation);
    mg_clock_destroy(b->clock);
    (void)uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    mg_sim_scenario_destroy(b->scenario);
    mg_setup_destroy(b->setup);
}

/* ---- The same seed ---- */

static const char lively[] =
    "seed: %u\n"
    "temperature: {low: 5, high: 30}\n"
    "vehicles:\n"
    "  - {id: small, phases: 1, battery: 2 kWh, soc_start: 50%%}\n"
    "  - {id: v, phases: 3, battery: 3 kWh, exports: [{after: 90s, for: 1m,\n"
    "     current: 9 A}]}\n"
    "sessions:\n"
    "  - {meter: cp1, vehicle: small, at: 5s, window: 60s, every: 5m}\n"
    "  - {meter: cp2, vehicle: ac1-32, at: 5s, window: 2m, limit: 13 A}\n"
    "  - {meter: cp4, vehicle: v, at: 1s}\n"
    "  - {meter: cp5, vehicle: v, at: 1s, window: 30s}\n"
    "  - {meter: cp8, vehicle: small, at: 3s, window: 30s}\n"
    "grid:\n"
    "  - {type: dip, voltage: 170 V, per_hour: 60, for: 300ms}\n"
    "  - {type: spikes, peak: 600 V, per_hour: 60, for: 1s}\n"
    "  - {type: harmonic, order: 5, share: 4%%, at: 3m, for: 1m}\n"
    "  - {type: frequency, frequency: 49.7, at: 2m, for: 1m}\n"
    "faults:\n"
    "  - {type: power-loss, meter: cp2, per_hour: 30, for: 3s}\n"
    "  - {type: reset, meter: cp4, at: 100s}\n"
    "  - {type: reset, meter: cp6, at: 110s}\n"
    "  - {type: reset, meter: cp7, at: 115s}\n"
    "  - {type: clock, meter: cp1, at: 120s}\n"
    "  - {type: nv-slot, meter: cp3, at: 130s}\n"
    "  - {type: temperature, meter: cp5, at: 140s, for: 20s}\n"
    "  - {type: firmware-update, meter: cp6, at: 150s}\n"
    "  - {type: phase-loss, meter: cp4, phase: 2, at: 160s, for: 10s}\n"
    "wires:\n"
    "  - {type: noise, bus: line1, chance: 20%%, per_hour: 30, for: 20s}\n"
    "  - {type: late, bus: line1, chance: 5%%, at: 0s, for: 5m}\n"
    "  - {type: half-frame, bus: gw1, chance: 10%%, at: 30s, for: 1m}\n"
    "  - {type: wrong-unit, bus: line2, chance: 10%%, at: 30s, for: 1m}\n"
    "  - {type: flip, bus: can0, chance: 2%%, at: 0s, for: 1m}\n"
    "  - {type: bus-off, bus: can0, at: 170s, for: 5s}\n"
    "  - {type: unplug, bus: gw1, at: 180s, for: 5s}\n";

struct outcome {
    uint64_t wire[BUSES_MAX], n_bytes[BUSES_MAX], samples, registers;
};

static struct outcome play(unsigned seed)
{
    struct bed b = {.samples_hash = 0};
    struct outcome o;
    char text[sizeof lively + 16];
    (void)snprintf(text, sizeof text, lively, seed);
    the_bed = &b;
    load(&b, text);
    start(&b);
    run_until(&b, 300);
    for (size_t i = 0; i < BUSES_MAX; i++) {
        o.wire[i] = b.taps[i].hash;
        o.n_bytes[i] = b.taps[i].n;
    }
    o.samples = b.samples_hash;
    o.registers = registers_hash(&b);
    stop(&b);
    return o;
}

static void test_same_seed_same_bytes(void **state)
{
    (void)state;
    struct outcome one = play(7);
    struct outcome two = play(7);
    struct outcome other = play(8);
    for (size_t i = 0; i < BUSES_MAX; i++) {
        assert_true(one.n_bytes[i] > 10000);
        assert_true(one.wire[i] == two.wire[i]);
        assert_true(one.wire[i] != other.wire[i]);
    }
    assert_true(one.samples == two.samples);
    assert_true(one.samples != other.samples);
    assert_true(one.registers == two.registers);
    assert_true(one.registers != other.registers);
}

/* ---- Energy ---- */

static const char charging[] =
    "vehicles:\n"
    "  - {id: small, phases: 1, battery: 3 kWh, soc_start: 50%, standby: 0 W}\n"
    "  - {id: big, phases: 3, battery: 9 kWh, soc_start: 50%,\n"
    "     pauses: [{after: 3m, for: 1m}]}\n"
    "  - {id: two-way, phases: 3, battery: 9 kWh, soc_start: 60%,\n"
    "     exports: [{after: 4m, for: 5m, current: 13 A}]}\n"
    "sessions:\n"
    "  - {meter: cp1, vehicle: small, at: 5s}\n"
    "  - {meter: cp2, vehicle: small, at: 10s, limit: 10 A, stay: 20m}\n"
    "  - {meter: cp3, vehicle: small, at: 1m, limits: [{after: 2m,\n"
    "     current: 5 A}, {after: 4m, current: 9 A}]}\n"
    "  - {meter: cp4, vehicle: two-way, at: 5s}\n"
    "  - {meter: cp5, vehicle: big, at: 5s}\n"
    "  - {meter: cp6, vehicle: two-way, at: 15s}\n"
    "  - {meter: cp7, vehicle: big, at: 20s}\n"
    "  - {meter: cp8, vehicle: small, at: 25s, limit: 12 A}\n"
    "grid:\n"
    "  - {type: dip, voltage: 180 V, per_hour: 60, for: 500ms}\n"
    "  - {type: frequency, frequency: 49.5, at: 10m, for: 5m}\n"
    "  - {type: unbalance, l1: 225 V, l2: 231 V, l3: 238 V, at: 12m, for: 5m}\n"
    "faults:\n"
    "  - {type: power-loss, meter: cp2, at: 5m, for: 10s}\n"
    "wires:\n"
    "  - {type: drop, bus: line1, chance: 10%, at: 1m, for: 10m}\n"
    "  - {type: noise, bus: line2, chance: 10%, at: 1m, for: 10m}\n";

/* In class B, 1 % at these currents, a third of it for the front end; then what
 * the registers round away. */
static void check_meter(const struct meter_end *e, const char *model,
                        bool has_pulses)
{
    int64_t per_kwh = strcmp(model, "kpm31") == 0    ? 1600
                      : strcmp(model, "wm3m4c") == 0 ? 1000
                                                     : 20000;
    int64_t step_mwh = strcmp(model, "wm3m4c") == 0     ? 10000
                       : strcmp(model, "cpkm3000") == 0 ? 10000
                                                        : 1250;
    int64_t net = e->import_mwh - e->export_mwh;
    int64_t flow = e->import_mwh + e->export_mwh;
    assert_true(flow > 400000);
    assert_in_range(e->truth_mwh - net + flow / 100 + step_mwh, 0,
                    2 * (flow / 100 + step_mwh));
    if (has_pulses) {
        /* To the pulse, but for what a register does not show. */
        int64_t pulsed = (int64_t)e->n_pulses * 1000000 / per_kwh;
        int64_t room = step_mwh * 2 + 2 * 1000000 / per_kwh;
        assert_in_range(pulsed - flow + room, 0, 2 * room);
    }
    assert_true(e->n_samples > 1500);
}

static void test_energy_is_conserved(void **state)
{
    struct bed b = {.samples_hash = 0};
    (void)state;
    the_bed = &b;
    load(&b, charging);
    start(&b);
    run_until(&b, 3000);
    for (size_t m = 0; m < b.setup->n_meters; m++) {
        const struct meter_end *e = &b.ends[m];
        print_message("%s: truth %lld, import %lld, export %lld mWh, %llu "
                      "pulses, %llu samples\n",
                      b.setup->meters[m].id, (long long)e->truth_mwh,
                      (long long)e->import_mwh, (long long)e->export_mwh,
                      (unsigned long long)e->n_pulses,
                      (unsigned long long)e->n_samples);
        check_meter(e, b.setup->meters[m].plugin->model,
                    m != 1); /* pulses count since the supply came back */
    }
    /* The export of two vehicles: 5 minutes of 9 kW. */
    assert_in_range(b.ends[3].export_mwh, 650000, 760000);
    assert_in_range(b.ends[5].export_mwh, 650000, 760000);
    stop(&b);
}

int main(int argc, char **argv)
{
    struct mg_err err = {0};
    if (argc != 2 || mg_plugins_load(&plugins, argv[1], &err) != MG_OK) {
        (void)fprintf(stderr, "usage: test_scene PLUGINS; %s\n", err.text);
        return 2;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_bytes),
        cmocka_unit_test(test_energy_is_conserved),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    mg_plugins_destroy(&plugins);
    return rc;
}
