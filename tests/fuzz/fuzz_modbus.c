/* Whatever a line delivers to the engine: first byte: framing and what is
 * asked; then pieces, each with a length and a pause in front. The engine must
 * stand it, answer each request once, and hand over only what was asked. */
#include <stdlib.h>
#include <string.h>

#include "bus/modbus.h"
#include "wire/modbus_adu.h"

#define MS      UINT64_C(1000000)
#define N_UNITS 3U

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct rig;

struct asker {
    struct mg_modbus_request request;
    struct rig *rig;
    struct mg_modbus_unit *unit;
};

struct rig {
    struct mg_clock *clock;
    struct mg_modbus *bus;
    struct asker askers[N_UNITS];
    uint8_t kind;
    unsigned n_asked, n_done;
};

static void ask(struct asker *a);

static void silent(void *ctx, struct mg_transport *line, const uint8_t *data,
                   size_t len)
{
    (void)ctx;
    (void)line;
    (void)data;
    (void)len;
}

static void done(struct mg_modbus_request *request,
                 const struct mg_modbus_result *result)
{
    struct asker *a = (struct asker *)request;
    a->rig->n_done++;
    if (result->code == MG_OK &&
        mg_adu_check(request->pdu, result->pdu, result->pdu_len) != MG_ADU_OK) {
        abort();
    }
    if (result->code == MG_E_EXCEPTION && result->exception == 0) {
        abort();
    }
    if (result->code != MG_E_CANCELED) {
        ask(a);
    }
}

static void ask(struct asker *a)
{
    static const struct {
        uint8_t len, pdu[10];
    } asked[] = {{5, {3, 0, 0x30, 0, 2}},     {5, {1, 3, 1, 0, 20}},
                 {5, {6, 0, 12, 0x55, 0xaa}}, {8, {16, 0, 1, 0, 1, 2, 3, 4}},
                 {7, {22, 0, 1, 0, 2, 0, 3}}, {5, {4, 0, 0, 0, 125}},
                 {5, {5, 0, 1, 0xff, 0}},     {5, {2, 0, 0, 7, 0xd0}}};
    size_t which = (a->rig->kind >> 2) % (sizeof asked / sizeof asked[0]);
    struct mg_modbus_request *r = &a->request;
    memset(r, 0, sizeof *r);
    memcpy(r->pdu, asked[which].pdu, asked[which].len);
    r->pdu_len = asked[which].len;
    r->done = done;
    a->rig->n_asked += mg_modbus_submit(a->unit, r) == MG_OK;
}

static void advance(struct rig *rig, uint64_t ns)
{
    mg_clock_advance(rig->clock, mg_clock_now_ns(rig->clock) + ns);
}

static void deliver(struct rig *rig, struct mg_transport *line,
                    const uint8_t *data, size_t size)
{
    while (size >= 2) {
        size_t len = data[0];
        advance(rig, data[1] * MS);
        data += 2;
        size -= 2;
        len = len < size ? len : size;
        mg_transport_memory_deliver(line, data, len);
        data += len;
        size -= len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rig rig = {.kind = size > 0 ? data[0] : 0};
    if (size < 1 || size > 4096) {
        return 0;
    }
    const struct mg_modbus_settings set = {
        .framing = (enum mg_modbus_framing)(rig.kind % 3), .baud = 9600};
    rig.clock = mg_clock_create_virtual(0);
    struct mg_transport *line = mg_transport_memory(rig.clock, 0, silent, NULL);
    rig.bus = mg_modbus_create(rig.clock, line, &set, NULL, NULL);
    for (uint8_t i = 0; i < N_UNITS; i++) {
        const struct mg_modbus_unit_settings unit = {.unit = (uint8_t)(i + 1),
                                                     .timeout_ms = 100};
        rig.askers[i].rig = &rig;
        rig.askers[i].unit = mg_modbus_add_unit(rig.bus, &unit);
    }
    advance(&rig, 10 * MS);
    for (unsigned i = 0; i < N_UNITS; i++) {
        ask(&rig.askers[i]);
    }
    deliver(&rig, line, data + 1, size - 1);
    advance(&rig, 5000 * MS);
    mg_modbus_destroy(rig.bus);
    if (rig.n_done != rig.n_asked) {
        abort(); /* a request was lost, or answered twice */
    }
    mg_clock_destroy(rig.clock);
    return 0;
}
