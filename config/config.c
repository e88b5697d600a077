#include "config/config.h"

#include <stdlib.h>
#include <string.h>

#include "config/load.h"

#define FILE_MAX (1 << 20)

static const struct mg_setup_place whole_file = {0, 0};

/* Folder of a file, without the '/'; owned. "" = the current one. */
static char *folder_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    if (slash == NULL) {
        return strdup("");
    }
    size_t len = slash == name ? 1 : (size_t)(slash - name);
    return strndup(name, len);
}

static void load_fini(struct mg_load *load)
{
    free(load->buses);
    free(load->meters);
    mg_names_fini(&load->bus_ids);
    mg_setup_destroy(load->setup);
    load->setup = NULL;
}

static int load_document(struct mg_load *load, const char *name)
{
    load->setup = calloc(1, sizeof *load->setup);
    if (load->setup == NULL) {
        return MG_E_NOMEM;
    }
    load->setup->file = strdup(name);
    int code = load->setup->file == NULL ? MG_E_NOMEM : MG_OK;
    if (code == MG_OK) {
        code =
            mg_load_build(load, yaml_document_get_root_node(load->reader.doc));
    }
    if (code == MG_OK) {
        code = mg_load_check(load);
    }
    if (code == MG_OK) {
        code = mg_load_check_modules(load);
    }
    if (code == MG_OK) {
        mg_load_check_budgets(load);
    }
    return code;
}

/* Everything between text and setup; faults are in load. */
static void load_text(struct mg_load *load, const char *name, const char *text,
                      size_t len)
{
    yaml_document_t doc;
    char *folder = folder_of(name);
    if (folder == NULL) {
        mg_fault_add(&load->faults, whole_file, "out of memory");
        return;
    }
    if (len > FILE_MAX) {
        mg_fault_add(&load->faults, whole_file,
                     "larger than 1 MiB; expected a configuration");
    } else if (mg_yaml_read(text, len, &load->faults, &doc) == MG_OK) {
        load->reader = (struct mg_reader){
            .doc = &doc, .faults = &load->faults, .folder = folder};
        if (load_document(load, name) != MG_OK) {
            mg_fault_add(&load->faults, whole_file, "out of memory");
        }
        yaml_document_delete(&doc);
    }
    free(folder);
}

int mg_config_parse(const char *name, const char *text, size_t len,
                    const struct mg_plugins *plugins, bool is_offline,
                    FILE *report, struct mg_setup **ret_setup,
                    size_t *ret_n_faults)
{
    struct mg_load load = {.plugins = plugins,
                           .is_offline = is_offline,
                           .faults = {.name = name, .text = text, .len = len}};
    *ret_setup = NULL;
    load_text(&load, name, text, len);
    size_t n_faults = mg_faults_count(&load.faults);
    if (n_faults == 0) {
        *ret_setup = load.setup;
        load.setup = NULL;
    } else {
        mg_faults_print(&load.faults, report);
    }
    if (ret_n_faults != NULL) {
        *ret_n_faults = mg_faults_count(&load.faults);
    }
    load_fini(&load);
    mg_faults_fini(&load.faults);
    return n_faults == 0 ? MG_OK : MG_E_INVAL;
}

int mg_config_load(const char *file, const struct mg_plugins *plugins,
                   FILE *report, struct mg_setup **ret_setup,
                   size_t *ret_n_faults)
{
    char *text = NULL;
    size_t len = 0;
    struct mg_err err = {0};
    *ret_setup = NULL;
    if (mg_load_file(file, FILE_MAX, &text, &len, &err) != MG_OK) {
        (void)fprintf(report, "%s: %s; expected a YAML file\n", file, err.text);
        if (ret_n_faults != NULL) {
            *ret_n_faults = 1;
        }
        return MG_E_IO;
    }
    int code = mg_config_parse(file, text, len, plugins, false, report,
                               ret_setup, ret_n_faults);
    free(text);
    return code;
}
