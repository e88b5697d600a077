/* Error frames as drivers of the kernel make them (linux/can/error.h and
 * can_change_state in drivers/net/can/dev/dev.c), byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bus/socketcan_priv.h"

struct vector {
    const char *name;
    uint32_t id;
    uint8_t dlc;
    uint8_t data[8];
    enum mg_can_state before;
    unsigned news;
    enum mg_can_state state;
    bool has_counters;
    uint16_t tx, rx;
};

#define ERR 0x20000000U

static const struct vector vectors[] = {
    {"slcan, 6.1: warning, transmitting",
     ERR | 0x204,
     8,
     {0, 0x08, 0, 0, 0, 0, 97, 3},
     MG_CAN_ACTIVE,
     SOCKETCAN_STATE,
     MG_CAN_WARNING,
     true,
     97,
     3},
    {"warning, receiving, no counters",
     ERR | 0x004,
     8,
     {0, 0x04},
     MG_CAN_ACTIVE,
     SOCKETCAN_STATE,
     MG_CAN_WARNING,
     false,
     0,
     0},
    {"passive, transmitting; counters without the flag",
     ERR | 0x004,
     8,
     {0, 0x20, 0, 0, 0, 0, 128, 0},
     MG_CAN_WARNING,
     SOCKETCAN_STATE,
     MG_CAN_PASSIVE,
     true,
     128,
     0},
    {"passive, both",
     ERR | 0x204,
     8,
     {0, 0x30, 0, 0, 0, 0, 136, 140},
     MG_CAN_WARNING,
     SOCKETCAN_STATE,
     MG_CAN_PASSIVE,
     true,
     136,
     140},
    {"passive and warning: the worse counts",
     ERR | 0x204,
     8,
     {0, 0x24, 0, 0, 0, 0, 130, 100},
     MG_CAN_ACTIVE,
     SOCKETCAN_STATE,
     MG_CAN_PASSIVE,
     true,
     130,
     100},
    {"active again",
     ERR | 0x204,
     8,
     {0, 0x40, 0, 0, 0, 0, 0, 0},
     MG_CAN_WARNING,
     SOCKETCAN_STATE,
     MG_CAN_ACTIVE,
     true,
     0,
     0},
    {"bus-off",
     ERR | 0x040,
     8,
     {0},
     MG_CAN_PASSIVE,
     SOCKETCAN_STATE,
     MG_CAN_BUS_OFF,
     false,
     0,
     0},
    {"bus-off with controller and counters",
     ERR | 0x244,
     8,
     {0, 0x20, 0, 0, 0, 0, 248, 0},
     MG_CAN_PASSIVE,
     SOCKETCAN_STATE,
     MG_CAN_BUS_OFF,
     true,
     248,
     0},
    {"restarted",
     ERR | 0x100,
     8,
     {0},
     MG_CAN_BUS_OFF,
     SOCKETCAN_STATE,
     MG_CAN_ACTIVE,
     false,
     0,
     0},
    {"its buffer ran over",
     ERR | 0x004,
     8,
     {0, 0x01},
     MG_CAN_ACTIVE,
     SOCKETCAN_OVERFLOW,
     MG_CAN_ACTIVE,
     false,
     0,
     0},
    {"ran over while passive, receiving",
     ERR | 0x204,
     8,
     {0, 0x11, 0, 0, 0, 0, 0, 128},
     MG_CAN_ACTIVE,
     SOCKETCAN_STATE | SOCKETCAN_OVERFLOW,
     MG_CAN_PASSIVE,
     true,
     0,
     128},
    {"the sending buffer ran over: nothing of ours",
     ERR | 0x004,
     8,
     {0, 0x02},
     MG_CAN_PASSIVE,
     0,
     MG_CAN_PASSIVE,
     false,
     0,
     0},
    {"unspecified",
     ERR | 0x004,
     8,
     {0, 0x00},
     MG_CAN_WARNING,
     0,
     MG_CAN_WARNING,
     false,
     0,
     0},
    {"counters alone",
     ERR | 0x200,
     8,
     {0, 0x20, 0, 0, 0, 0, 5, 6},
     MG_CAN_ACTIVE,
     SOCKETCAN_STATE,
     MG_CAN_ACTIVE,
     true,
     5,
     6},
    {"a bus error: data[6] is no counter",
     ERR | 0x088,
     8,
     {0, 0x20, 0x04, 0x0a, 0, 0, 9, 9},
     MG_CAN_ACTIVE,
     0,
     MG_CAN_ACTIVE,
     false,
     0,
     0},
    {"cut short, as anybody may send it",
     ERR | 0x244,
     2,
     {0, 0x20},
     MG_CAN_ACTIVE,
     0,
     MG_CAN_ACTIVE,
     false,
     0,
     0},
};

static void as_the_kernel_says(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const struct vector *v = &vectors[i];
        struct can_frame frame = {.can_id = v->id, .can_dlc = v->dlc};
        struct mg_can_status status = {.state = v->before};
        for (size_t k = 0; k < 8; k++) {
            frame.data[k] = v->data[k];
        }
        print_message("%s\n", v->name);
        assert_int_equal(mg_socketcan_error(&frame, &status), v->news);
        assert_int_equal(status.state, v->state);
        assert_int_equal(status.has_counters, v->has_counters);
        assert_int_equal(status.tx_errors, v->tx);
        assert_int_equal(status.rx_errors, v->rx);
    }
}

/* Known counters stay when a frame says nothing of them. */
static void counters_are_kept(void **unused)
{
    (void)unused;
    struct can_frame frame = {.can_id = ERR | 0x040, .can_dlc = 8};
    struct mg_can_status status = {.state = MG_CAN_PASSIVE,
                                   .tx_errors = 200,
                                   .rx_errors = 7,
                                   .has_counters = true};
    assert_int_equal(mg_socketcan_error(&frame, &status), SOCKETCAN_STATE);
    assert_int_equal(status.state, MG_CAN_BUS_OFF);
    assert_int_equal(status.tx_errors, 200);
    assert_int_equal(status.rx_errors, 7);
    assert_true(status.has_counters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_kernel_says),
        cmocka_unit_test(counters_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
