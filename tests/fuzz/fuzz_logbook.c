/* An entry of the log book, or a line of an export, from anywhere: what is
 * taken is written again byte for byte, and the chain holds what it says. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "record/logbook_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_entry(const char *text, size_t len)
{
    char buf[MG_LOG_ENTRY_MAX], again[MG_LOG_ENTRY_MAX];
    struct mg_log_entry entry;
    size_t n = 0;
    if (mg_log_entry_parse(text, len, buf, &entry) != MG_OK) {
        return;
    }
    assert(mg_log_entry_build(&entry, again, sizeof again, &n) == MG_OK);
    assert(n == len && memcmp(again, text, n) == 0);
    assert(mg_log_data_build(&entry, again, sizeof again, &n) == MG_OK);
}

static void try_line(const char *text, size_t len)
{
    static struct mg_log_line line;
    char again[MG_LOG_LINE_MAX * 2];
    struct mg_log_chain chain;
    size_t n = 0;
    if (mg_log_line_parse(text, len, &line) != MG_OK) {
        return;
    }
    struct mg_log_link link = mg_log_line_link(&line);
    assert(mg_log_line_write(&link, "", again, sizeof again, &n) == MG_OK);
    mg_log_chain_init(&chain);
    int rc = mg_log_chain_feed(&chain, &link);
    assert((rc == MG_OK) == (chain.fault == MG_LOG_INTACT));
    /* Only the very first entry begins a chain. */
    assert(rc != MG_OK || line.number == 1);
    try_entry(line.text, line.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1); /* its end is the end of the memory */
    assert(text != NULL);
    memcpy(text, data, size);
    char *exact = realloc(text, size > 0 ? size : 1);
    text = exact != NULL ? exact : text;
    try_entry(text, size);
    try_line(text, size);
    free(text);
    return 0;
}
