/* The plugin host: what it loads, what it refuses, and that a refusal leaves
 * nothing behind. MG_TEST_MODULES is the directory of the small modules made
 * for this test. */
#include <dirent.h>
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "run/plugins.h"

#define NOBODY 65534

/* ---- A scratch directory ---- */

struct scratch {
    char dir[64];
};

static int make_scratch(void **state)
{
    struct scratch *s = calloc(1, sizeof *s);
    assert_non_null(s);
    (void)snprintf(s->dir, sizeof s->dir, "/tmp/mg-plugins-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    *state = s;
    return 0;
}

static int remove_scratch(void **state)
{
    struct scratch *s = *state;
    DIR *d = opendir(s->dir);
    assert_non_null(d);
    const struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        (void)unlinkat(dirfd(d), e->d_name, 0); /* "." and ".." fail */
    }
    (void)closedir(d);
    assert_int_equal(rmdir(s->dir), 0);
    free(s);
    return 0;
}

static const char *path_of(const struct scratch *s, const char *name)
{
    static char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", s->dir, name);
    return path;
}

static void put(const struct scratch *s, const char *module, const char *name,
                mode_t mode)
{
    char from[512];
    char buf[4096];
    (void)snprintf(from, sizeof from, "%s/%s.so", MG_TEST_MODULES, module);
    FILE *in = fopen(from, "rb");
    FILE *out = fopen(path_of(s, name), "wb");
    assert_non_null(in);
    assert_non_null(out);
    size_t n;
    while ((n = fread(buf, 1, sizeof buf, in)) > 0) {
        assert_int_equal(fwrite(buf, 1, n, out), n);
    }
    assert_int_equal(fclose(out), 0);
    (void)fclose(in);
    assert_int_equal(chmod(path_of(s, name), mode), 0);
}

/* ---- What a refusal may leave behind ---- */

static size_t n_descriptors(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d) != NULL) {
        n++;
    }
    (void)closedir(d);
    return n;
}

static bool is_mapped(const struct scratch *s)
{
    char line[512];
    bool is_found = false;
    FILE *f = fopen("/proc/self/maps", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        is_found = is_found || strstr(line, s->dir) != NULL;
    }
    (void)fclose(f);
    return is_found;
}

static void assert_refused(const struct scratch *s, const char *name, int code,
                           const char *reason)
{
    struct mg_plugins plugins = {0};
    struct mg_err err = {0};
    size_t before = n_descriptors();
    assert_int_equal(mg_plugins_load_file(&plugins, path_of(s, name), &err),
                     code);
    assert_int_equal(err.code, code);
    if (strstr(err.text, reason) == NULL || strstr(err.text, s->dir) == NULL) {
        fail_msg("\"%s\" should say \"%s\" and name the file", err.text,
                 reason);
    }
    assert_int_equal(plugins.n, 0);
    assert_int_equal(n_descriptors(), before);
    assert_false(is_mapped(s));
    /* The same as one of a directory. */
    memset(&err, 0, sizeof err);
    assert_int_equal(mg_plugins_load(&plugins, s->dir, &err), code);
    assert_non_null(strstr(err.text, reason));
    assert_int_equal(plugins.n, 0);
    assert_int_equal(n_descriptors(), before);
    assert_false(is_mapped(s));
}

/* ---- Loading ---- */

static void test_right(void **state)
{
    const struct scratch *s = *state;
    struct mg_plugins plugins = {0};
    struct mg_err err = {0};
    put(s, "good_small", "b.so", 0755);
    put(s, "good_other", "a.so", 0640);
    put(s, "bad_symbol", "c.so.old", 0644); /* no *.so */
    put(s, "bad_symbol", ".d.so", 0644);    /* hidden */
    if (mg_plugins_load(&plugins, s->dir, &err) != MG_OK) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(plugins.n, 2);
    assert_string_equal(plugins.loaded[0].plugin->model, "other");
    assert_string_equal(plugins.loaded[1].plugin->model, "small");
    assert_string_equal(plugins.loaded[0].file, path_of(s, "a.so"));
    assert_ptr_equal(mg_plugins_find(&plugins, "small"),
                     plugins.loaded[1].plugin);
    assert_null(mg_plugins_find(&plugins, "Small"));
    assert_null(mg_plugins_find(&plugins, ""));
    mg_plugins_destroy(&plugins);
    assert_int_equal(plugins.n, 0);
    mg_plugins_destroy(&plugins);
}

/* The dynamic linker knows modules by the names they were opened with: a
 * second file must never be taken for the first. */
static void test_names_are_not_mixed_up(void **state)
{
    const struct scratch *s = *state;
    struct mg_plugins first = {0};
    struct mg_plugins again = {0};
    struct mg_err err = {0};
    put(s, "good_small", "b.so", 0755);
    assert_int_equal(mg_plugins_load_file(&first, path_of(s, "b.so"), &err),
                     MG_OK);
    assert_int_equal(mg_plugins_load_file(&again, path_of(s, "b.so"), &err),
                     MG_OK);
    assert_ptr_equal(first.loaded[0].plugin, again.loaded[0].plugin);
    /* Refused as a duplicate, and still loaded: its name stays taken. */
    assert_int_equal(mg_plugins_load_file(&again, path_of(s, "b.so"), &err),
                     MG_E_INVAL);
    put(s, "good_other", "a.so", 0755);
    assert_int_equal(mg_plugins_load_file(&again, path_of(s, "a.so"), &err),
                     MG_OK);
    assert_string_equal(again.loaded[1].plugin->model, "other");
    mg_plugins_destroy(&first);
    mg_plugins_destroy(&again);
}

static void test_file_without_directory(void **state)
{
    const struct scratch *s = *state;
    struct mg_plugins plugins = {0};
    struct mg_err err = {0};
    char cwd[512];
    assert_non_null(getcwd(cwd, sizeof cwd));
    put(s, "good_small", "b.so", 0755);
    assert_int_equal(chdir(s->dir), 0);
    int rc = mg_plugins_load_file(&plugins, "b.so", &err);
    assert_int_equal(chdir(cwd), 0);
    assert_int_equal(rc, MG_OK);
    mg_plugins_destroy(&plugins);
}

static void test_duplicate(void **state)
{
    const struct scratch *s = *state;
    struct mg_plugins plugins = {0};
    struct mg_err err = {0};
    size_t before = n_descriptors();
    put(s, "good_small", "a.so", 0755);
    put(s, "good_small", "b.so", 0755);
    assert_int_equal(mg_plugins_load(&plugins, s->dir, &err), MG_E_INVAL);
    assert_non_null(strstr(err.text, "b.so: model small is already in"));
    assert_non_null(strstr(err.text, "/a.so"));
    /* The whole load failed: what it had loaded is gone too. */
    assert_int_equal(plugins.n, 0);
    assert_int_equal(n_descriptors(), before);
    assert_false(is_mapped(s));
}

static void test_refusals(void **state)
{
    const struct scratch *s = *state;
    static const struct {
        const char *module;
        int code;
        const char *reason;
    } cases[] = {
        {"bad_abi", MG_E_NOSUP, "made for ABI 99, this gateway has 4"},
        {"bad_size", MG_E_NOSUP, "struct mg_plugin has 8 bytes there"},
        {"bad_symbol", MG_E_NOTFOUND, "no symbol mg_plugin"},
        {"bad_import", MG_E_PROTO, "undefined symbol: nobody_has_this"},
        {"bad_table", MG_E_INVAL,
         "table: register table, row 2 of 2 (address 0x0011, variant 0)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(s, cases[i].module, "a.so", 0755);
        assert_refused(s, "a.so", cases[i].code, cases[i].reason);
    }
}

static void test_no_module(void **state)
{
    const struct scratch *s = *state;
    FILE *f = fopen(path_of(s, "a.so"), "w");
    assert_non_null(f);
    (void)fputs("this is no shared object, but long enough to be read as the "
                "header of one: at least sixty-four bytes\n",
                f);
    (void)fclose(f);
    assert_refused(s, "a.so", MG_E_PROTO, "invalid ELF header");
}

static void test_writable_by_others(void **state)
{
    const struct scratch *s = *state;
    put(s, "good_small", "a.so", 0646);
    assert_refused(s, "a.so", MG_E_DENIED,
                   "the file is writable by everybody (mode 0646)");
    assert_int_equal(chmod(path_of(s, "a.so"), 0644), 0);
    assert_int_equal(chmod(s->dir, 01777), 0);
    assert_refused(s, "a.so", MG_E_DENIED,
                   "is writable by everybody (mode 1777)");
    assert_int_equal(chmod(s->dir, 0700), 0);
}

static void test_foreign_owner(void **state)
{
    const struct scratch *s = *state;
    if (geteuid() != 0) {
        print_message("not run: only root can give files away\n");
        skip();
    }
    put(s, "good_small", "a.so", 0644);
    assert_int_equal(chown(path_of(s, "a.so"), NOBODY, NOBODY), 0);
    assert_refused(s, "a.so", MG_E_DENIED, "the file belongs to user 65534");
    assert_int_equal(chown(path_of(s, "a.so"), 0, 0), 0);
    assert_int_equal(chown(s->dir, NOBODY, NOBODY), 0);
    assert_refused(s, "a.so", MG_E_DENIED, "belongs to user 65534");
    assert_int_equal(chown(s->dir, 0, 0), 0);
}

static void test_no_regular_file(void **state)
{
    const struct scratch *s = *state;
    assert_int_equal(mkfifo(path_of(s, "a.so"), 0600), 0);
    assert_refused(s, "a.so", MG_E_DENIED, "not a regular file");
    assert_int_equal(unlink(path_of(s, "a.so")), 0);
    put(s, "good_small", "target", 0644);
    assert_int_equal(symlink("target", path_of(s, "a.so")), 0);
    assert_refused(s, "a.so", MG_E_DENIED, "a symbolic link");
}

static void test_nothing_there(void **state)
{
    const struct scratch *s = *state;
    struct mg_plugins plugins = {0};
    struct mg_err err = {0};
    assert_int_equal(mg_plugins_load(&plugins, s->dir, &err), MG_E_NOTFOUND);
    assert_non_null(strstr(err.text, "no plugin (*.so) in /tmp/mg-plugins-"));
    assert_int_equal(mg_plugins_load(&plugins, "/nonexistent", &err), MG_E_IO);
    assert_string_equal(err.text,
                        "plugins: /nonexistent: No such file or directory");
    assert_int_equal(mg_plugins_load_file(&plugins, path_of(s, "a.so"), &err),
                     MG_E_IO);
    assert_non_null(strstr(err.text, "a.so: cannot be opened: No such file"));
}

static void test_directory(void **state)
{
    const struct scratch *s = *state;
    struct mg_err err = {0};
    char path[256];
    assert_int_equal(setenv("METERGATE_PLUGINS", s->dir, 1), 0);
    assert_int_equal(mg_plugins_directory(path, sizeof path, &err), MG_OK);
    assert_string_equal(path, s->dir);
    assert_int_equal(mg_plugins_directory(path, 5, &err), MG_E_NOTFOUND);
    assert_int_equal(setenv("METERGATE_PLUGINS", "/nonexistent", 1), 0);
    assert_int_equal(mg_plugins_directory(path, sizeof path, &err),
                     MG_E_NOTFOUND);
    assert_string_equal(err.text,
                        "METERGATE_PLUGINS: /nonexistent is no directory");
    assert_int_equal(unsetenv("METERGATE_PLUGINS"), 0);
}

/* ---- Tables ---- */

struct options {
    int64_t number;
    char text[8];
};

/* A plugin with everything in it, in memory that a case may spoil. */
struct tables {
    struct mg_plugin plugin;
    struct mg_option options[2], args[1];
    struct mg_driver driver;
    struct mg_point points[2];
    struct mg_procedure procedures[2];
    struct mg_firmware firmware;
    struct mg_frontend frontend;
    struct mg_accuracy accuracy;
    struct mg_rating rating;
};

static void step(void *state, const struct mg_step_in *in,
                 struct mg_step_out *out)
{
    (void)state;
    (void)in;
    out->action = MG_STEP_DONE;
}

static void power_on(void *state, const struct mg_fw_env *env)
{
    (void)state;
    (void)env;
}

static void power_fail(void *state)
{
    (void)state;
}

static void tick(void *state, const struct mg_tick *t)
{
    (void)state;
    (void)t;
}

static size_t pdu(void *state, uint8_t unit, const uint8_t *request, size_t len,
                  uint8_t *ret, size_t cap)
{
    (void)state;
    (void)unit;
    (void)request;
    (void)len;
    (void)cap;
    ret[0] = 0;
    return 0;
}

static void outputs(const void *state, struct mg_fw_outputs *ret)
{
    (void)state;
    (void)ret;
}

static int set_input(void *state, unsigned index, bool is_closed)
{
    (void)state;
    (void)index;
    (void)is_closed;
    return MG_E_NOSUP;
}

static int set(void *state, mg_channel channel, int64_t value)
{
    (void)state;
    (void)channel;
    (void)value;
    return MG_E_NOSUP;
}

static int range(mg_channel channel, int64_t *ret_lo, int64_t *ret_hi,
                 int64_t *ret_tolerance)
{
    (void)channel;
    *ret_lo = *ret_hi = *ret_tolerance = 0;
    return MG_OK;
}

static int fault(void *state, enum mg_fw_fault kind)
{
    (void)state;
    (void)kind;
    return MG_E_NOSUP;
}

static void init_driver(struct tables *t)
{
    t->points[0] = (struct mg_point){.channel = MG_CH(VOLTAGE, TOTAL),
                                     .function = 3,
                                     .encoding = MG_ENC_F32,
                                     .address = 0x30,
                                     .source = "made up"};
    t->points[1] = (struct mg_point){.channel = MG_CH(CURRENT, TOTAL),
                                     .function = 3,
                                     .encoding = MG_ENC_F32,
                                     .address = 0x32,
                                     .variants = 1U << 5,
                                     .source = "made up"};
    t->procedures[0] = (struct mg_procedure){.verb = "do-it",
                                             .help = "Does it.",
                                             .args = t->args,
                                             .n_args = 1,
                                             .args_size = 8,
                                             .state_size = 256,
                                             .step = step,
                                             .source = "made up"};
    t->procedures[1] = t->procedures[0];
    t->procedures[1].verb = "undo-it";
    t->driver = (struct mg_driver){
        .points = t->points,
        .n_points = 2,
        .max_registers = 125,
        .timeout_ms = 1,
        .serial = {.baud = 9600, .parity = 'E', .stop_bits = 1},
        .n_phases = 3,
        .max_voltage_mv = 1,
        .max_current_ma = 1,
        .procedures = t->procedures,
        .n_procedures = 2};
}

static void init_firmware(struct tables *t)
{
    t->frontend = (struct mg_frontend){.rate_mhz = 4000000,
                                       .half_periods = 2,
                                       .n_lanes = 1,
                                       .bits = 24,
                                       .full_scale_mv = 1,
                                       .full_scale_ma = 1};
    t->firmware = (struct mg_firmware){.frontend = &t->frontend,
                                       .state_size = 1,
                                       .nv_size = 1,
                                       .power_on = power_on,
                                       .power_fail = power_fail,
                                       .tick = tick,
                                       .pdu = pdu,
                                       .outputs = outputs,
                                       .set_input = set_input,
                                       .set = set,
                                       .range = range,
                                       .fault = fault};
}

static void init_rating(struct tables *t)
{
    t->accuracy = (struct mg_accuracy){
        .quantity = MG_Q_VOLTAGE, .limit = 1, .source = "made up"};
    t->rating = (struct mg_rating){.classes = MG_CLASS_B,
                                   .voltage_mv = 230000,
                                   .frequency_mhz = 50000,
                                   .start_ma = 20,
                                   .min_ma = 250,
                                   .tr_ma = 500,
                                   .ref_ma = 5000,
                                   .max_ma = 32000,
                                   .impulses_per_kwh = 1000,
                                   .n_phases = 3,
                                   .min_degc = 5,
                                   .max_degc = 30,
                                   .register_step_mwh = 1,
                                   .accuracies = &t->accuracy,
                                   .n_accuracies = 1,
                                   .source = "made up",
                                   .repeat_source = "made up"};
    t->plugin.rating = &t->rating;
}

static void init_tables(struct tables *t)
{
    memset(t, 0, sizeof *t);
    t->options[0] = (struct mg_option){.name = "number",
                                       .type = MG_OPTION_INT,
                                       .def = 2,
                                       .min = 1,
                                       .max = 3,
                                       .help = "A number."};
    t->options[1] = (struct mg_option){.name = "text",
                                       .type = MG_OPTION_TEXT,
                                       .def_text = "1234567",
                                       .offset = offsetof(struct options, text),
                                       .size = 8,
                                       .help = "A text."};
    t->args[0] = t->options[0];
    init_driver(t);
    init_firmware(t);
    t->plugin = (struct mg_plugin){.abi = MG_PLUGIN_ABI,
                                   .size = sizeof(struct mg_plugin),
                                   .model = "made-up2",
                                   .vendor = "Nobody",
                                   .description = "Everything",
                                   .capabilities = MG_CAP_FIRMWARE,
                                   .options = t->options,
                                   .n_options = 2,
                                   .options_size = sizeof(struct options),
                                   .driver = &t->driver,
                                   .firmware = &t->firmware};
    init_rating(t);
}

static unsigned first_circuit(const void *options)
{
    (void)options;
    return 0;
}

static const char *const TWO[] = {"a", "b", NULL};

/* X(name, what is spoilt, what must be said) */
#define CASES(X)                                                               \
    X(abi, t->plugin.abi = 0, "made for ABI 0")                                \
    X(size, t->plugin.size--, "struct mg_plugin has")                          \
    X(model_case, t->plugin.model = "KPM31", "model's name")                   \
    X(model_null, t->plugin.model = NULL, "model's name")                      \
    X(model_empty, t->plugin.model = "", "model's name")                       \
    X(model_long, t->plugin.model = "a2345678901234567890123456789012",        \
      "model's name")                                                          \
    X(vendor, t->plugin.vendor = NULL, "made-up2: no vendor")                  \
    X(bus, t->plugin.bus = (enum mg_bus_kind)7, "unknown bus 7")               \
    X(capability, t->plugin.firmware = NULL, "capability and the firmware")    \
    X(capability2, t->plugin.capabilities = 0, "capability and the firmware")  \
    X(options_size, t->plugin.options_size = 5000, "options of 5000 bytes")    \
    X(options_null, t->plugin.options = NULL, "2 options but no table")        \
    X(option_name, t->options[0].name = "Number", "option 0: the name")        \
    X(option_dash, t->options[0].name = "a-", "option 0: the name")            \
    X(option_type, t->options[0].type = (enum mg_option_type)9,                \
      "number: unknown type 9")                                                \
    X(option_help, t->options[0].help = "", "option number: no help")          \
    X(option_twice, t->options[1].name = "number", "option number: given")     \
    X(option_out, t->options[0].offset = 16, "outside the struct of 16 bytes") \
    X(option_over, t->options[1].size = 9, "offset 8 and size 9 are outside")  \
    X(option_no_size, t->options[1].size = 0, "size 0 are outside")            \
    X(option_unaligned, t->options[0].offset = 4, "not aligned")               \
    X(option_apart, t->options[0].offset = 8, "text and number share a place") \
    X(option_low, t->options[0].def = 0, "default 0 is out of range 1 to 3")   \
    X(option_high, t->options[0].def = 4, "default 4 is out of range 1 to 3")  \
    X(option_turned, t->options[0].min = 9, "out of range 9 to 3")             \
    X(option_bool, t->options[0].type = MG_OPTION_BOOL,                        \
      "default 2 is out of range 0 to 1")                                      \
    X(option_choices, t->options[0].type = MG_OPTION_ENUM,                     \
      "range 1 to 3 but 0 choices")                                            \
    X(option_choices2,                                                         \
      (t->options[0].type = MG_OPTION_ENUM, t->options[0].choices = TWO),      \
      "range 1 to 3 but 2 choices")                                            \
    X(option_text, t->options[1].def_text = "12345678",                        \
      "default is longer than 7 bytes")                                        \
    X(circuit, t->plugin.circuit = first_circuit,                              \
      "circuits: a CAN meter with one enumerated option of 2 choices")         \
    X(driver_null, t->plugin.driver = NULL, "no driver")                       \
    X(points_null, t->driver.points = NULL, "no register table")               \
    X(points_none, t->driver.n_points = 0, "no register table")                \
    X(point_row, t->points[0].function = 5, "row 1 of 2 (address 0x0030")      \
    X(point_overlap, (t->points[1].address = 0x31, t->points[1].variants = 0), \
      "row 2 of 2 (address 0x0031, variant 0)")                                \
    X(point_variant, t->points[1].address = 0x31,                              \
      "row 2 of 2 (address 0x0031, variant 5)")                                \
    X(point_source, t->points[1].source = NULL, "row 2: no source")            \
    X(registers, t->driver.max_registers = 126, "max_registers 126")           \
    X(registers0, t->driver.max_registers = 0, "max_registers 0")              \
    X(baud, t->driver.serial.baud = 0, "line: 0 baud")                         \
    X(parity, t->driver.serial.parity = 'X', "no setting")                     \
    X(stop, t->driver.serial.stop_bits = 3, "3 stop bits")                     \
    X(timeout, t->driver.timeout_ms = 0, "no time-out")                        \
    X(phases, t->driver.n_phases = 4, "1 to 3 phases")                         \
    X(limit, t->driver.max_current_ma = 0, "voltage and current above 0")      \
    X(procedures_null, t->driver.procedures = NULL, "no driver or no")         \
    X(verb, t->procedures[1].verb = "Undo", "procedure 1: the verb")           \
    X(verb_twice, t->procedures[1].verb = "do-it", "do-it: given twice")       \
    X(step, t->procedures[1].step = NULL, "undo-it: no step function")         \
    X(state, t->procedures[1].state_size = 257, "state of 257 bytes")          \
    X(args_size, t->procedures[1].args_size = 257, "1 arguments in 257")       \
    X(args_null, t->procedures[1].args = NULL, "undo-it: 1 options but no")    \
    X(args_out, t->procedures[1].args_size = 7,                                \
      "undo-it: option number: offset 0 and size 8 are outside")               \
    X(fw_op, t->firmware.outputs = NULL, "firmware: an operation is missing")  \
    X(fw_state, t->firmware.state_size = 0, "state of 0")                      \
    X(fw_nv, t->firmware.nv_size = 2000000, "memory of 2000000 bytes")         \
    X(fe_null, t->firmware.frontend = NULL, "no front end")                    \
    X(fe_lanes, t->frontend.n_lanes = 7, "7 lanes")                            \
    X(fe_sinc, t->frontend.sinc_order = 6, "order 6")                          \
    X(fe_bits, t->frontend.bits = 25, "25 bits")                               \
    X(fe_rate, t->frontend.rate_mhz = 999999, "rate 999999 mHz")               \
    X(fe_tick, t->frontend.half_periods = 0, "a tick is either")               \
    X(fe_both, t->frontend.samples_per_tick = 1, "a tick is either")           \
    X(fe_long,                                                                 \
      (t->frontend.half_periods = 0, t->frontend.samples_per_tick = 4001),     \
      "at most 1 s")                                                           \
    X(fe_scale, t->frontend.full_scale_ma = 0, "full scale is 0")              \
    X(rt_class, t->rating.classes = MG_CLASS_2_REACTIVE, "no class of active") \
    X(rt_other, t->rating.classes = 17, "or an unknown one")                   \
    X(rt_volt, t->rating.voltage_mv = 0, "no voltage")                         \
    X(rt_freq, t->rating.frequency_mhz = 39999, "outside 40 to 70")            \
    X(rt_amps, t->rating.min_ma = 501, "do not rise")                          \
    X(rt_none, t->rating.start_ma = 0, "do not rise")                          \
    X(rt_imp, t->rating.impulses_per_kwh = 0, "rating: impulses")              \
    X(rt_phases, t->rating.n_phases = 2, "1 or 3 phases")                      \
    X(rt_degc, t->rating.max_degc = 29, "5 to 30 degC")                        \
    X(rt_source, t->rating.source = NULL, "rating: no source")                 \
    X(rt_limit, t->accuracy.limit = 0, "accuracy 0 has no")                    \
    X(rt_quantity, t->accuracy.quantity = MG_N_QUANTITIES, "accuracy 0")

#define X(name, action, text)                                                  \
    static void spoil_##name(struct tables *t)                                 \
    {                                                                          \
        (void)(action);                                                        \
    }
CASES(X)
#undef X

static const struct {
    const char *name;
    void (*spoil)(struct tables *t);
    const char *text;
} SPOILT[] = {
#define X(name, action, text) {#name, spoil_##name, text},
    CASES(X)
#undef X
};

static void test_tables(void **state)
{
    (void)state;
    struct tables t;
    struct mg_err err = {0};
    init_tables(&t);
    if (mg_plugin_validate(&t.plugin, &err) != MG_OK) {
        fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < sizeof SPOILT / sizeof *SPOILT; i++) {
        init_tables(&t);
        SPOILT[i].spoil(&t);
        memset(&err, 0, sizeof err);
        if (mg_plugin_validate(&t.plugin, &err) == MG_OK || err.code == MG_OK ||
            strstr(err.text, SPOILT[i].text) == NULL) {
            fail_msg("%s: \"%s\" should say \"%s\"", SPOILT[i].name, err.text,
                     SPOILT[i].text);
        }
    }
}

#define IN_SCRATCH(test)                                                       \
    cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* First: the others leave nothing loaded, these do. */
        IN_SCRATCH(test_refusals),
        IN_SCRATCH(test_no_module),
        IN_SCRATCH(test_writable_by_others),
        IN_SCRATCH(test_foreign_owner),
        IN_SCRATCH(test_no_regular_file),
        IN_SCRATCH(test_nothing_there),
        IN_SCRATCH(test_duplicate),
        IN_SCRATCH(test_right),
        IN_SCRATCH(test_names_are_not_mixed_up),
        IN_SCRATCH(test_file_without_directory),
        IN_SCRATCH(test_directory),
        cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
