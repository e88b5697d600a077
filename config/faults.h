/* The faults of a file: collected, sorted, and shown with their line. */
#ifndef MG_CONFIG_FAULTS_H
#define MG_CONFIG_FAULTS_H

#include <stdio.h>

#include "run/setup.h"

#define MG_FAULTS_KEPT    1000
#define MG_FAULTS_PRINTED 100
#define MG_FAULT_TEXT     600

struct mg_fault {
    struct mg_setup_place place; /* line 0: the file as a whole */
    size_t number;               /* order of discovery */
    char *text;                  /* owned */
};

struct mg_faults {
    const char *name; /* of the file; borrowed */
    const char *text; /* the file; borrowed; NULL = not read */
    size_t len;
    size_t n_kept, n_dropped;
    struct mg_fault *kept; /* owned */
};

/** Note a fault: what, and what would be right; one line without a secret. */
void mg_fault_add(struct mg_faults *faults, struct mg_setup_place place,
                  const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Number of faults so far. */
size_t mg_faults_count(const struct mg_faults *faults);

/** Write "name:line:column: text", the line and a caret, in the order of the
 *  lines; at most MG_FAULTS_PRINTED, then how many more there are. */
void mg_faults_print(struct mg_faults *faults, FILE *out);

void mg_faults_fini(struct mg_faults *faults);

#endif
