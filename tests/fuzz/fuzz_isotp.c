/* Whatever a bus delivers to ISO-TP. First two bytes: settings; then steps,
 * each with a kind, a length or a pause, and bytes. The machine must stand it,
 * hand over no more than is allowed, send frames that are frames, end each
 * message that it sends once, and be idle in the end. */
#include <stdlib.h>
#include <string.h>

#include "wire/isotp.h"

#define MS UINT64_C(1000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct rig {
    struct mg_isotp tp;
    uint64_t now_ns;
    unsigned n_asked, n_ended;
    bool is_out; /* a frame is with the bus */
    uint32_t sum;
};

static void check(bool is_right)
{
    if (!is_right) {
        abort();
    }
}

static void fetch(struct rig *rig)
{
    struct mg_isotp_event event;
    while (mg_isotp_event(&rig->tp, &event)) {
        check((event.code == MG_OK) == (event.reason == NULL));
        rig->n_ended += event.kind == MG_ISOTP_SENT;
        rig->n_ended += event.kind == MG_ISOTP_TX_FAILED;
        if (event.kind == MG_ISOTP_MESSAGE) {
            check(event.len >= 1 && event.len <= rig->tp.settings.max_len);
            for (size_t i = 0; i < event.len; i++) {
                rig->sum += event.data[i];
            }
        }
    }
}

static void pull(struct rig *rig)
{
    uint8_t frame[MG_CAN_FD_MAX];
    size_t len = 0;
    if (mg_isotp_pull(&rig->tp, rig->now_ns, frame, &len)) {
        check(!rig->is_out);
        check(len >= 1 && len <= rig->tp.settings.tx_dl);
        check(frame[0] >> 4 <= 3);
        rig->is_out = true;
    }
}

static void sent(struct rig *rig)
{
    rig->is_out = false;
    mg_isotp_sent(&rig->tp, rig->now_ns);
}

static void settings(struct rig *rig, uint8_t a, uint8_t b)
{
    static const uint8_t lengths[] = {8, 12, 16, 20, 24, 32, 48, 64};
    const struct mg_isotp_settings set = {
        .tx_dl = lengths[a & 7],
        .is_padded = (a & 8) != 0,
        .block_size = (a & 16) != 0 ? 2 : 0,
        .st_min = (a & 32) != 0 ? 0xf3 : 0,
        .wait_max = 3,
        .max_len = (a & 64) != 0 ? 100 : MG_ISOTP_MAX,
        .n_as_ms = b,
        .n_bs_ms = b,
        .n_cr_ms = b};
    check(mg_isotp_init(&rig->tp, &set) == MG_OK);
}

/* @return bytes taken */
static size_t step(struct rig *rig, const uint8_t *data, size_t size)
{
    size_t len = data[1] < size - 2 ? data[1] : size - 2;
    switch (data[0] & 7) {
    case 0:
        rig->now_ns += data[1] * MS;
        mg_isotp_expire(&rig->tp, rig->now_ns);
        return 2;
    case 1:
        pull(rig);
        return 2;
    case 2:
        sent(rig);
        return 2;
    case 3:
        rig->n_asked +=
            mg_isotp_send(&rig->tp, data + 2, len, rig->now_ns) == MG_OK;
        return 2 + len;
    case 4: /* late: the bus had it for a while */
        mg_isotp_receive(&rig->tp, data + 2, len,
                         rig->now_ns > MS ? rig->now_ns - MS : 0);
        return 2 + len;
    default:
        mg_isotp_receive(&rig->tp, data + 2, len, rig->now_ns);
        return 2 + len;
    }
}

static void finish(struct rig *rig)
{
    for (unsigned i = 0; mg_isotp_deadline_ns(&rig->tp) != UINT64_MAX; i++) {
        check(i < 2000);
        uint64_t deadline_ns = mg_isotp_deadline_ns(&rig->tp);
        rig->now_ns = deadline_ns > rig->now_ns ? deadline_ns : rig->now_ns;
        mg_isotp_expire(&rig->tp, rig->now_ns);
        pull(rig);
        if (rig->is_out) {
            sent(rig);
        }
        fetch(rig);
    }
    check(rig->n_asked == rig->n_ended);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rig rig = {.now_ns = 0};
    if (size < 2 || size > 8192) {
        return 0;
    }
    settings(&rig, data[0], data[1]);
    for (size_t at = 2; at + 2 <= size;) {
        at += step(&rig, data + at, size - at);
        fetch(&rig);
    }
    finish(&rig);
    return 0;
}
