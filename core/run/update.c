#include "run/update.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/verify.h"
#include "run/logbook.h"

#define HASH_LEN      32
#define SIGNATURE_LEN 64
#define VERSION_AT    8
#define VERSION_LEN   12

/* The name comes from the broker: one file of one folder, nothing else. */
static int check_name(const char *dir, const char *name, struct mg_err *err)
{
    if (dir == NULL) {
        return mg_err_set(err, MG_E_DENIED,
                          "gateway.update_dir is not configured");
    }
    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL) {
        return mg_err_set(err, MG_E_INVAL,
                          "\"%s\" is no name of a file in %.120s", name, dir);
    }
    return MG_OK;
}

static int open_image(const char *dir, const char *name, size_t *ret_len,
                      struct mg_err *err)
{
    struct stat st;
    int dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = dir_fd < 0
                 ? -1
                 : openat(dir_fd, name,
                          O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    int error = errno;
    if (dir_fd >= 0) {
        (void)close(dir_fd);
    }
    if (fd < 0) {
        (void)mg_err_errno(err, error, "%s in %.120s", name, dir);
        return -1;
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        st.st_size <= SIGNATURE_LEN || st.st_size > MG_UPDATE_MAX) {
        (void)close(fd);
        (void)mg_err_set(err, MG_E_INVAL, "%s is no file of %d to %u bytes",
                         name, SIGNATURE_LEN + 1, MG_UPDATE_MAX);
        return -1;
    }
    *ret_len = (size_t)st.st_size;
    return fd;
}

int mg_update_load(struct task *t, struct mg_err *err)
{
    const char *dir = t->meter->gateway->setup->update_dir;
    const char *name =
        (const char *)t->kept.args + t->procedure->args[0].offset;
    size_t len = 0;
    free(t->text);
    t->text = NULL;
    int rc = check_name(dir, name, err);
    if (rc != MG_OK) {
        return rc;
    }
    int fd = open_image(dir, name, &len, err);
    if (fd < 0) {
        return err->code;
    }
    char *text = malloc(HASH_LEN + len);
    ssize_t n = text == NULL ? -1 : read(fd, text + HASH_LEN, len);
    (void)close(fd);
    if (n != (ssize_t)len) {
        free(text);
        return mg_err_set(err, MG_E_IO, "%s cannot be read", name);
    }
    mg_sha256(text + HASH_LEN, len - SIGNATURE_LEN, (uint8_t *)text);
    t->text = text;
    t->text_len = HASH_LEN + len;
    return MG_OK;
}

void mg_update_log(struct task *t, enum mg_log_event event)
{
    struct meter *m = t->meter;
    char hash[65] = "";
    char version[13] = "";
    for (size_t i = 0; m->has_lrs_hash && i < sizeof m->lrs_hash; i++) {
        (void)snprintf(hash + 2 * i, 3, "%02x", m->lrs_hash[i]);
    }
    /* The version lies at the same place in every model (MG_PROC_UPDATE). */
    if (t->text != NULL && t->text_len > HASH_LEN + VERSION_AT + VERSION_LEN) {
        (void)snprintf(version, sizeof version, "%.12s",
                       t->text + HASH_LEN + VERSION_AT);
    }
    const struct mg_log_data data = {.lrs_hash = hash,
                                     .lrs_version = m->lrs_version,
                                     .new_lrs_version = version};
    mg_logbook_add(m->gateway, m, event, &data);
}
