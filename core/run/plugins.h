/* The plugin host: finds, checks and loads the meter models. */
#ifndef MG_RUN_PLUGINS_H
#define MG_RUN_PLUGINS_H

#include "base/err.h"
#include "metergate/plugin.h"

#define MG_PLUGINS_MAX 64

struct mg_plugins {
    size_t n;
    struct {
        const struct mg_plugin *plugin; /* borrowed from the module */
        void *handle;
        char *file; /* owned */
        int fd;     /* stays open as long as the module is loaded */
    } loaded[MG_PLUGINS_MAX];
};

/** Load every *.so of a directory in the order of its names. A file is refused,
 *  with the reason and without leaking, when it or the directory is writable
 *  by others or not owned by root or the caller, when the symbol is missing,
 *  the ABI or the struct size differs, its tables are inconsistent, or two
 *  plugins claim one model. One bad file fails the whole load.
 *  @return MG_OK or a code with err */
int mg_plugins_load(struct mg_plugins *plugins, const char *directory,
                    struct mg_err *err);

/** Load one file. Same checks. */
int mg_plugins_load_file(struct mg_plugins *plugins, const char *file,
                         struct mg_err *err);

/** The directory to use: $METERGATE_PLUGINS, else plugins/ next to the
 *  executable, else the installed one. @return MG_OK or MG_E_NOTFOUND */
int mg_plugins_directory(char *ret_path, size_t cap, struct mg_err *err);

/** @return NULL when there is no such model */
const struct mg_plugin *mg_plugins_find(const struct mg_plugins *plugins,
                                        const char *model);

/** Check the tables of a plugin; pure. Reason in err. */
int mg_plugin_validate(const struct mg_plugin *plugin, struct mg_err *err);

/** Fill an options or arguments struct with its defaults. */
void mg_options_default(const struct mg_option *options, size_t n,
                        void *values);

/** Set one option from text, checking type and range.
 *  @param ret_index  which option, for "given twice" checks
 *  @return MG_OK; MG_E_NOTFOUND; MG_E_RANGE or MG_E_INVAL with err saying what
 *  would be right */
int mg_options_set(const struct mg_option *options, size_t n, void *values,
                   const char *name, const char *text, size_t *ret_index,
                   struct mg_err *err);

/** Frees the list only; modules stay loaded for the life of the process. */
void mg_plugins_destroy(struct mg_plugins *plugins);

#endif
