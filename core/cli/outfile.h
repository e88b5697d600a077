/* A file that is written under another name and takes its own when all is on
 * the disk: what bears the name is complete. */
#ifndef MG_CLI_OUTFILE_H
#define MG_CLI_OUTFILE_H

#include <stdio.h>

#include "base/err.h"

struct outfile {
    const char *path; /* borrowed */
    FILE *out;
    char part[4096]; /* name until it is complete; "" = standard output */
};

/** @param path  NULL or "-": standard output
 *  @return MG_OK; MG_E_INVAL: no file that could be replaced; MG_E_IO */
int outfile_open(struct outfile *file, const char *path, struct mg_err *err);

/** @param rc  of the writing: after a failure nothing takes the name
 *  @return rc, or why it could not be completed */
int outfile_close(struct outfile *file, int rc, struct mg_err *err);

#endif
