/* The fault catalogue against the guide's table, and the set of one meter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "model/faults.h"

/* Flex Series operating and maintenance guide, chapter 4: id and severity in
 * the order of the table. */
static const struct {
    const char *id;
    char severity; /* m minor, M major, C critical */
} guide[] = {
    {"input-overvoltage", 'M'},
    {"input-undervoltage", 'M'},
    {"unable-provide-ventilation", 'M'},
    {"acs-hardware-error", 'C'},
    {"acb-self-test-fail", 'C'},
    {"acb-firmware-failed", 'C'},
    {"acb-over-temp", 'm'},
    {"acb-temp-sensor-error", 'm'},
    {"acm-temp-sensor-error", 'm'},
    {"acm-over-temp", 'm'},
    {"cpcm-over-temp", 'm'},
    {"bkplt-over-temp", 'm'},
    {"can-bus-error", 'm'},
    {"pilot-fault", 'M'},
    {"eichrecht-meter-mismatch", 'C'},
    {"frontplate-tamper-detect", 'M'},
    {"backplate-tamper-detect", 'M'},
    {"signature-verification-failed", 'C'},
    {"ac-over-current", 'M'},
    {"ac-over-current-soft", 'm'},
    {"circuit-distribution-error", 'm'},
    {"acs-comms-fault", 'M'},
    {"wiredcomss-update-failed", 'M'},
    {"acm-comms-loss", 'C'},
    {"lcd-comms-loss", 'C'},
    {"acm-firmware-failed", 'C'},
    {"diff-coil-fault", 'M'},
    {"dc-ground-fault", 'M'},
    {"chassis-required-devices-not-found", 'C'},
    {"dc-ground-fault-nonrecoverable", 'M'},
    {"cable-cut-detected", 'C'},
    {"invalid-cable-detected", 'M'},
    {"smart-meter-comms-loss", 'M'},
    {"smart-meter-overload", 'M'},
    {"enwg-grid-suspend", 'M'},
};
#define N_GUIDE (sizeof guide / sizeof *guide)

static void test_rows_of_the_guide(void **state)
{
    (void)state;
    assert_int_equal(N_GUIDE, 35);
    static const char prefix[] = "urn:fault:koala:";
    for (unsigned i = 0; i < N_GUIDE; i++) {
        const struct mg_fault_row *row = mg_fault_row(i);
        assert_non_null(row);
        assert_memory_equal(row->id, prefix, sizeof prefix - 1);
        assert_string_equal(row->id + sizeof prefix - 1, guide[i].id);
        assert_int_equal("mMC"[row->severity], guide[i].severity);
        assert_false(row->is_ours);
    }
    assert_int_equal(MG_N_FAULTS, N_GUIDE + 1);
    assert_true(mg_fault_row(MG_FAULT_WELDED_CONTACT)->is_ours);
    assert_null(mg_fault_row(MG_N_FAULTS));
}

static void test_rows_are_whole(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MG_N_FAULTS; i++) {
        const struct mg_fault_row *row = mg_fault_row(i);
        assert_true(strlen(row->description) > 10);
        assert_true(strlen(row->host_text) > 10);
        assert_true(row->blocks_sessions || row->severity != MG_FAULT_CRITICAL);
        assert_string_not_equal(mg_fault_severity_text(row->severity), "?");
        assert_string_not_equal(mg_fault_latch_text(row->latch), "?");
        assert_string_not_equal(mg_fault_source_text(row->source), "?");
        enum mg_fault_id found = MG_N_FAULTS;
        assert_int_equal(mg_fault_find(row->id, &found), MG_OK);
        assert_int_equal(found, i); /* so no id is there twice */
    }
    assert_string_equal(mg_fault_latch_text(9), "?");
}

static void test_find_takes_whole_ids_only(void **state)
{
    (void)state;
    enum mg_fault_id id = MG_N_FAULTS;
    assert_int_equal(mg_fault_find("urn:fault:koala:ac-over-current", &id),
                     MG_OK);
    assert_int_equal(id, MG_FAULT_AC_OVER_CURRENT);
    static const char *const wrong[] = {"", "ac-over-current",
                                        "urn:fault:koala:ac-over-current-",
                                        "urn:fault:koala:AC-over-current"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(mg_fault_find(wrong[i], &id), MG_E_NOTFOUND);
        assert_int_equal(id, MG_FAULT_AC_OVER_CURRENT);
    }
}

static void test_edges(void **state)
{
    (void)state;
    struct mg_fault_set set = {0};
    assert_false(mg_fault_clear(&set, MG_FAULT_CAN_BUS_ERROR));
    assert_true(mg_fault_raise(&set, MG_FAULT_CAN_BUS_ERROR));
    assert_false(mg_fault_raise(&set, MG_FAULT_CAN_BUS_ERROR));
    assert_true(mg_fault_is_active(&set, MG_FAULT_CAN_BUS_ERROR));
    assert_false(mg_fault_is_active(&set, MG_FAULT_PILOT_FAULT));
    assert_true(mg_fault_follow(&set, MG_FAULT_CAN_BUS_ERROR, false));
    assert_false(mg_fault_follow(&set, MG_FAULT_CAN_BUS_ERROR, false));
    assert_true(mg_fault_follow(&set, MG_FAULT_CAN_BUS_ERROR, true));
    assert_false(mg_fault_raise(&set, MG_N_FAULTS));
    assert_false(mg_fault_is_active(&set, MG_N_FAULTS));
    assert_false(mg_fault_clear(&set, MG_N_FAULTS));
}

static void test_latched_faults_stay(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MG_N_FAULTS; i++) {
        struct mg_fault_set set = {0};
        enum mg_fault_id id = (enum mg_fault_id)i;
        bool is_latched = mg_fault_row(i)->latch != MG_FAULT_UNLATCHED;
        (void)mg_fault_raise(&set, id);
        assert_int_equal(mg_fault_clear(&set, id), !is_latched);
        assert_int_equal(mg_fault_is_active(&set, id), is_latched);
        assert_int_equal(mg_fault_reset(&set, id), is_latched);
        assert_int_equal(set.active, 0);
    }
}

static bool survives(enum mg_fault_id id, enum mg_fault_release release)
{
    struct mg_fault_set set = {0};
    (void)mg_fault_raise(&set, id);
    struct mg_fault_set gone = mg_fault_release(&set, release);
    /* It is in exactly one of the two. */
    assert_int_equal(set.active ^ gone.active, UINT64_C(1) << id);
    return mg_fault_is_active(&set, id);
}

static void test_what_ends_which_fault(void **state)
{
    (void)state;
    static const struct {
        enum mg_fault_id id;
        const char *survives; /* restart, unplug, power cycle, service */
    } cases[] = {
        {MG_FAULT_CAN_BUS_ERROR, "0101"},
        {MG_FAULT_DC_GROUND_FAULT, "0101"},
        {MG_FAULT_DC_GROUND_FAULT_NONRECOVERABLE, "1000"},
        {MG_FAULT_AC_OVER_CURRENT, "1100"},
        {MG_FAULT_WELDED_CONTACT, "1110"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (unsigned r = MG_FAULT_AT_RESTART; r <= MG_FAULT_AT_SERVICE; r++) {
            assert_int_equal(survives(cases[i].id, (enum mg_fault_release)r),
                             cases[i].survives[r] == '1');
        }
    }
}

static void test_unknown_bits_go_at_a_restart(void **state)
{
    (void)state;
    struct mg_fault_set set = {UINT64_MAX};
    (void)mg_fault_release(&set, MG_FAULT_AT_RESTART);
    assert_int_equal(set.active >> MG_N_FAULTS, 0);
    assert_true(mg_fault_is_active(&set, MG_FAULT_WELDED_CONTACT));
    assert_false(mg_fault_is_active(&set, MG_FAULT_CAN_BUS_ERROR));
}

static void test_blocking(void **state)
{
    (void)state;
    struct mg_fault_set set = {0};
    assert_null(mg_fault_blocking(&set));
    (void)mg_fault_raise(&set, MG_FAULT_AC_OVER_CURRENT_SOFT);
    (void)mg_fault_raise(&set, MG_FAULT_INPUT_OVERVOLTAGE);
    assert_null(mg_fault_blocking(&set));
    (void)mg_fault_raise(&set, MG_FAULT_AC_OVER_CURRENT);
    assert_ptr_equal(mg_fault_blocking(&set),
                     mg_fault_row(MG_FAULT_AC_OVER_CURRENT));
    (void)mg_fault_raise(&set, MG_FAULT_WELDED_CONTACT);
    assert_ptr_equal(mg_fault_blocking(&set),
                     mg_fault_row(MG_FAULT_WELDED_CONTACT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_of_the_guide),
        cmocka_unit_test(test_rows_are_whole),
        cmocka_unit_test(test_find_takes_whole_ids_only),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_latched_faults_stay),
        cmocka_unit_test(test_what_ends_which_fault),
        cmocka_unit_test(test_unknown_bits_go_at_a_restart),
        cmocka_unit_test(test_blocking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
