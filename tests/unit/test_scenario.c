/* The loader of scenarios against files: each scenario/<name>.yaml has its
 * report in <name>.expected ("ok" when it is right); MG_GOLDEN_UPDATE=1 writes
 * these anew, to be read before a commit. `depot.yaml` is the configuration.
 *
 * test_scenario TESTS/UNIT/SCENARIO CONFIG PLUGINS */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/scenario.h"

#define TEXT_MAX (1 << 17)

static struct mg_plugins plugins;
static struct mg_setup *setup;
static const char *config_dir; /* absolute */

static char *slurp(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    char *text = calloc(1, TEXT_MAX + 1);
    assert_non_null(text);
    assert_true(fread(text, 1, TEXT_MAX, file) < TEXT_MAX);
    assert_int_equal(fclose(file), 0);
    return text;
}

/* @return the report, owned; "ok" when it is right */
static char *load(const char *file, const struct mg_setup *for_setup,
                  struct mg_sim_scenario **ret)
{
    char *text = NULL;
    size_t len = 0;
    size_t n_faults = 99;
    FILE *report = open_memstream(&text, &len);
    assert_non_null(report);
    int code = mg_scenario_load(file, for_setup, report, ret, &n_faults);
    if (code == MG_OK) {
        assert_true(fputs("ok\n", report) >= 0);
    }
    assert_int_equal(fclose(report), 0);
    assert_int_equal(code == MG_OK, n_faults == 0);
    assert_int_equal(code == MG_OK, *ret != NULL);
    return text;
}

static void check_golden(const char *name)
{
    char path[512];
    struct mg_sim_scenario *scenario;
    char *report = load(name, setup, &scenario);
    (void)snprintf(path, sizeof path, "%.*s.expected", (int)strlen(name) - 5,
                   name);
    if (getenv("MG_GOLDEN_UPDATE") != NULL) {
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        assert_true(fputs(report, file) >= 0);
        assert_int_equal(fclose(file), 0);
    }
    char *expected = slurp(path);
    if (expected == NULL) {
        fail_msg("%s is missing", path);
    }
    assert_string_equal(report, expected);
    free(expected);
    free(report);
    mg_sim_scenario_destroy(scenario);
}

static void test_golden(void **state)
{
    size_t n = 0;
    struct dirent *entry;
    DIR *dir = opendir(".");
    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        size_t len = strlen(entry->d_name);
        if (len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0 &&
            strcmp(entry->d_name, "depot.yaml") != 0) {
            print_message("  %s\n", entry->d_name);
            check_golden(entry->d_name);
            n++;
        }
    }
    assert_int_equal(closedir(dir), 0);
    assert_true(n >= 9);
}

static void test_full(void **state)
{
    struct mg_sim_scenario *s;
    (void)state;
    free(load("full.yaml", setup, &s));
    assert_non_null(s);
    assert_int_equal(s->seed, 9);
    assert_int_equal(s->low_mdegc, -5000);
    assert_int_equal(s->high_mdegc, 31500);
    const struct mg_sim_vehicle *v = &s->vehicles[0];
    assert_int_equal(v->n_phases, 2);
    assert_int_equal(v->max_ma, 20000);
    assert_int_equal(v->ramp_ma_per_s, 2500);
    assert_int_equal(v->battery_mwh, 58000000);
    assert_int_equal(v->soc_start, 3500);
    assert_int_equal(v->soc_target, 9500);
    assert_int_equal(v->standby_mw, 5000);
    assert_int_equal(v->phase_cdeg, 1148); /* acos 0.98 */
    assert_false(v->has_harmonics);
    assert_int_equal(v->n_exports, 1);
    assert_int_equal(v->exports[0].current_ma, 12000);
    const struct mg_sim_session *a = &s->sessions[0];
    assert_int_equal(a->meter, 1);
    assert_int_equal(a->vehicle, 0);
    assert_true(a->when.is_random);
    assert_int_equal(a->when.window_ms, 1800000);
    assert_int_equal(a->when.slot_ms, 6 * 3600000);
    assert_int_equal(a->when.length_ms, 4 * 3600000);
    assert_int_equal(a->limits[0].current_ma, 6000);
    assert_string_equal(s->vehicles[s->sessions[1].vehicle].id, "v2g");
    assert_int_equal(s->n_net, 5);
    assert_int_equal(s->net[0].meter, MG_SIM_ALL_METERS);
    assert_int_equal(s->net[0].when.slot_ms, 1800000);
    assert_int_equal(s->net[1].u_ppm, 45000);
    assert_int_equal(s->net[1].meter, 2);
    assert_int_equal(s->net[2].when.length_ms, 31);
    assert_int_equal(s->net[3].kind, MG_SIM_NET_PHASE_LOSS);
    assert_int_equal(s->net[4].share, 2500);
    assert_int_equal(s->n_acts, 6);
    assert_int_equal(s->acts[0].kind, MG_SIM_DEED_POWER);
    assert_int_equal(s->acts[1].request_len, 5);
    assert_int_equal(s->acts[1].request[2], 0x30);
    assert_int_equal(s->acts[2].kind, MG_SIM_DEED_REQUEST);
    assert_int_equal(s->acts[2].request_len, 40);
    assert_int_equal(s->acts[3].fault, MG_FW_FAULT_TEMPERATURE);
    assert_int_equal(s->acts[4].chance, 2000);
    assert_int_equal(s->acts[5].fault, MG_SIM_WIRE_BUS_OFF);
    assert_int_equal(s->acts[5].target, 2);
    mg_sim_scenario_destroy(s);
}

static void test_example(void **state)
{
    char path[512];
    char *report;
    struct mg_setup *demo = NULL;
    struct mg_sim_scenario *s;
    (void)state;
    (void)snprintf(path, sizeof path, "%s/examples/demo.yaml", config_dir);
    assert_int_equal(mg_config_load(path, &plugins, stderr, &demo, NULL),
                     MG_OK);
    (void)snprintf(path, sizeof path, "%s/examples/scenarios/demo.yaml",
                   config_dir);
    report = load(path, demo, &s);
    assert_string_equal(report, "ok\n");
    free(report);
    mg_sim_scenario_destroy(s);
    mg_setup_destroy(demo);
}

static void test_document(void **state)
{
    char path[512];
    char *table = NULL;
    size_t len = 0;
    (void)state;
    FILE *out = open_memstream(&table, &len);
    assert_non_null(out);
    mg_scenario_document(out);
    assert_int_equal(fclose(out), 0);
    (void)snprintf(path, sizeof path, "%s/SCENARIOS.md", config_dir);
    char *text = slurp(path);
    assert_non_null(text);
    char *keys = strstr(text, "<!-- keys -->\n\n");
    assert_non_null(keys);
    assert_string_equal(keys + strlen("<!-- keys -->\n\n"), table);
    free(text);
    free(table);
}

/* Nothing that somebody writes brings it down. */
static void test_cut_short(void **state)
{
    char *text = slurp("full.yaml");
    char *report = NULL;
    size_t len = 0;
    (void)state;
    FILE *out = open_memstream(&report, &len);
    assert_non_null(text);
    assert_non_null(out);
    for (size_t n = 0; n <= strlen(text); n++) {
        struct mg_sim_scenario *s;
        (void)mg_scenario_parse("t.yaml", text, n, setup, out, &s, NULL);
        mg_sim_scenario_destroy(s);
    }
    assert_int_equal(fclose(out), 0);
    free(report);
    free(text);
}

int main(int argc, char **argv)
{
    struct mg_err err = {0};
    if (argc != 4 || mg_plugins_load(&plugins, argv[3], &err) != MG_OK ||
        chdir(argv[1]) != 0 ||
        mg_config_load("depot.yaml", &plugins, stderr, &setup, NULL) != MG_OK) {
        (void)fprintf(stderr,
                      "usage: test_scenario TESTS/UNIT/SCENARIO CONFIG "
                      "PLUGINS; %s\n",
                      err.text);
        return 2;
    }
    config_dir = argv[2];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),    cmocka_unit_test(test_full),
        cmocka_unit_test(test_example),   cmocka_unit_test(test_document),
        cmocka_unit_test(test_cut_short),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    mg_setup_destroy(setup);
    mg_plugins_destroy(&plugins);
    return rc;
}
