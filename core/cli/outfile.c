#include "cli/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int outfile_open(struct outfile *f, const char *path, struct mg_err *err)
{
    *f = (struct outfile){.path = path};
    if (path == NULL || strcmp(path, "-") == 0) {
        f->out = stdout;
        return MG_OK;
    }
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        return mg_err_set(err, MG_E_INVAL,
                          "%s is no file that could be replaced: leave --out "
                          "away to write to standard output",
                          path);
    }
    int n = snprintf(f->part, sizeof f->part, "%s.part", path);
    if (n < 0 || (size_t)n >= sizeof f->part) {
        f->part[0] = '\0';
        return mg_err_set(err, MG_E_INVAL, "the name of the file is too long");
    }
    int fd = open(f->part,
                  O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    f->out = fd < 0 ? NULL : fdopen(fd, "w");
    if (f->out == NULL) {
        int number = errno;
        if (fd >= 0) {
            (void)close(fd); /* nothing was written */
        }
        mg_err_errno(err, number, "cannot write %s", f->part);
        f->part[0] = '\0';
        return MG_E_IO;
    }
    return MG_OK;
}

int outfile_close(struct outfile *f, int rc, struct mg_err *err)
{
    if (f->part[0] == '\0') {
        return rc; /* main looks at standard output */
    }
    bool is_written = fflush(f->out) == 0 && ferror(f->out) == 0 &&
                      fsync(fileno(f->out)) == 0;
    int number = errno;
    if (fclose(f->out) != 0 && is_written) {
        is_written = false;
        number = errno;
    }
    if (rc == MG_OK && !is_written) {
        rc = mg_err_errno(err, number, "cannot write %s", f->part);
    }
    if (rc == MG_OK && rename(f->part, f->path) != 0) {
        rc = mg_err_errno(err, errno, "cannot rename %s to %s", f->part,
                          f->path);
    }
    if (rc != MG_OK) {
        (void)unlink(f->part); /* the failure is told already */
    }
    return rc;
}
