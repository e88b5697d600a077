#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "store/file.h"

/* @return MG_E_BUSY; the pid is only a hint for the text */
static int say_holder(int fd, const char *path, struct mg_err *err)
{
    char pid[24] = "";
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    size_t n_digits = n > 0 ? strspn(pid, "0123456789") : 0;
    if (n_digits == 0) {
        return mg_err_set(err, MG_E_BUSY, "%s is in use by another gateway",
                          path);
    }
    return mg_err_set(err, MG_E_BUSY,
                      "%s is in use by another gateway (pid %.*s)", path,
                      (int)n_digits, pid);
}

static void write_pid(int fd)
{
    char pid[24];
    int n = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    /* Without the pid (full disk) the lock itself still holds. */
    if (ftruncate(fd, 0) == 0) {
        ssize_t written = pwrite(fd, pid, (size_t)n, 0);
        (void)written;
    }
}

int store__lock(const char *path, int *ret_fd, struct mg_err *err)
{
    char name[PATH_MAX];
    int n = snprintf(name, sizeof name, "%s.lock", path);
    if (n < 0 || (size_t)n >= sizeof name) {
        return mg_err_set(err, MG_E_INVAL, "the path %.100s... is too long",
                          path);
    }
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0) {
        return mg_err_errno(err, errno, "cannot open %s", name);
    }
    int rc = MG_OK;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        rc = errno == EWOULDBLOCK
                 ? say_holder(fd, path, err)
                 : mg_err_errno(err, errno, "cannot lock %s", name);
        (void)close(fd); /* nothing was written */
        return rc;
    }
    write_pid(fd);
    *ret_fd = fd;
    return rc;
}
