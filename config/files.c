/* The files that a configuration names: they are there, readable by us, and
 * secrets by nobody else. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/load.h"

#define PASSWORD_MAX 256
#define ZONES        "/usr/share/zoneinfo/"

/* Opened without waiting for the far end of a FIFO. */
static int open_regular(const char *path, struct stat *ret_stat,
                        struct mg_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        (void)mg_err_errno(err, errno, "cannot open %.150s", path);
        return -1;
    }
    if (fstat(fd, ret_stat) != 0) {
        (void)mg_err_errno(err, errno, "cannot examine %.150s", path);
    } else if (!S_ISREG(ret_stat->st_mode)) {
        (void)mg_err_set(err, MG_E_IO, "%.150s is no regular file", path);
    } else {
        return fd;
    }
    (void)close(fd); /* nothing was written */
    return -1;
}

static int read_all(int fd, char *buf, size_t cap, size_t *ret_len)
{
    size_t len = 0;
    while (len < cap) {
        ssize_t n = read(fd, buf + len, cap - len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return MG_E_IO;
        }
        if (n == 0) {
            break;
        }
        len += (size_t)n;
    }
    *ret_len = len;
    return MG_OK;
}

int mg_load_file(const char *path, size_t max, char **ret_text, size_t *ret_len,
                 struct mg_err *err)
{
    struct stat st = {0};
    int fd = open_regular(path, &st, err);
    if (fd < 0) {
        return MG_E_IO;
    }
    int code = MG_E_NOMEM;
    size_t len = 0;
    char *text = malloc(max + 2);
    if (text == NULL) {
        (void)mg_err_set(err, code, "out of memory");
        goto out;
    }
    code = read_all(fd, text, max + 1, &len);
    if (code != MG_OK) {
        (void)mg_err_errno(err, errno, "cannot read %.150s", path);
    } else if (len > max) {
        code = MG_E_NOSPC;
        (void)mg_err_set(err, code,
                         "%.150s is larger than %zu bytes, the most allowed",
                         path, max);
    } else {
        text[len] = '\0';
        *ret_text = text;
        *ret_len = len;
        text = NULL;
    }
out:
    if (text != NULL) {
        explicit_bzero(text, max + 2); /* may be a password */
        free(text);
    }
    (void)close(fd); /* nothing was written */
    return code;
}

bool mg_load_check_file(struct mg_load *load, const struct mg_item *item,
                        const char *key, const char *path, unsigned forbidden)
{
    struct stat st = {0};
    struct mg_err err = {0};
    struct mg_setup_place place = mg_item_place(item, key);
    if (load->is_offline) {
        return true;
    }
    int fd = open_regular(path, &st, &err);
    if (fd < 0) {
        mg_fault_add(&load->faults, place,
                     "%s: %s; expected a file that can be read", key, err.text);
        return false;
    }
    (void)close(fd); /* nothing was written */
    if ((st.st_mode & forbidden) != 0) {
        mg_fault_add(&load->faults, place,
                     "%s: others may read or write %.150s (mode %04o); "
                     "expected at most %s",
                     key, path, (unsigned)st.st_mode & 07777,
                     forbidden == MG_NOT_OURS ? "0600" : "0640");
        return false;
    }
    return true;
}

static size_t line_length(const char *text, size_t len)
{
    if (len > 0 && text[len - 1] == '\n') {
        len--;
        len -= len > 0 && text[len - 1] == '\r' ? 1 : 0;
    }
    return len;
}

static void read_password(struct mg_load *load, const struct mg_item *item,
                          const char *path, struct mg_setup_mqtt *mqtt)
{
    char *text = NULL;
    size_t file_len = 0;
    struct mg_err err = {0};
    struct mg_setup_place place = mg_item_place(item, "password_file");
    /* Two more for the end of the line. */
    if (mg_load_file(path, PASSWORD_MAX + 2, &text, &file_len, &err) != MG_OK) {
        mg_fault_add(&load->faults, place,
                     "password_file: %s; expected one line of at most %d bytes",
                     err.text, PASSWORD_MAX);
        return;
    }
    size_t len = line_length(text, file_len);
    if (len == 0 || len > PASSWORD_MAX || memchr(text, '\n', len) != NULL ||
        memchr(text, '\0', len) != NULL) {
        mg_fault_add(&load->faults, place,
                     "password_file: %.150s does not hold one line; expected "
                     "1 to %d bytes and a line end",
                     path, PASSWORD_MAX);
        explicit_bzero(text, file_len);
        free(text);
        return;
    }
    text[len] = '\0';
    mqtt->password = text;
}

static void load_password(struct mg_load *load, const struct mg_item *item,
                          struct mg_setup_mqtt *mqtt)
{
    const char *text = mg_item_text(item, "password_file");
    if (text == NULL) {
        return;
    }
    if (mqtt->username == NULL && mg_item_value(item, "username") == NULL) {
        mg_fault_add(&load->faults, mg_item_place(item, "password_file"),
                     "password_file without a username; expected both or "
                     "neither");
    }
    char *path = load->is_offline ? NULL : mg_reader_path(&load->reader, text);
    if (path != NULL &&
        mg_load_check_file(load, item, "password_file", path, MG_NOT_OTHERS)) {
        read_password(load, item, path, mqtt);
    }
    free(path);
}

static void check_pair(struct mg_load *load, const struct mg_item *item,
                       const char *key, const char *other)
{
    if (mg_item_value(item, key) != NULL &&
        mg_item_value(item, other) == NULL) {
        mg_fault_add(&load->faults, mg_item_place(item, key),
                     "%s without %s; expected both or neither", key, other);
    }
}

static void check_unused(struct mg_load *load, const struct mg_item *item,
                         const char *key)
{
    if (mg_item_value(item, key) != NULL) {
        mg_fault_add(&load->faults, mg_item_place(item, key),
                     "%s has no effect with tls: false; expected tls: true, or "
                     "the key to be left out",
                     key);
    }
}

void mg_load_mqtt_files(struct mg_load *load, const struct mg_item *item,
                        struct mg_setup_mqtt *mqtt)
{
    static const char *const of_tls[] = {"check_host_name", "ca_file",
                                         "cert_file", "key_file"};
    check_pair(load, item, "cert_file", "key_file");
    check_pair(load, item, "key_file", "cert_file");
    for (size_t i = 0; !mqtt->has_tls && i < 4; i++) {
        check_unused(load, item, of_tls[i]);
    }
    load_password(load, item, mqtt);
    if (mqtt->ca_file != NULL) {
        (void)mg_load_check_file(load, item, "ca_file", mqtt->ca_file, 0);
    }
    if (mqtt->cert_file != NULL) {
        (void)mg_load_check_file(load, item, "cert_file", mqtt->cert_file, 0);
    }
    if (mqtt->key_file != NULL) {
        (void)mg_load_check_file(load, item, "key_file", mqtt->key_file,
                                 MG_NOT_OTHERS);
    }
}

/* Of a compiled zone, see tzfile(5). */
static bool is_zone_file(const char *path)
{
    struct stat st = {0};
    struct mg_err err = {0};
    char magic[4];
    size_t len = 0;
    int fd = open_regular(path, &st, &err);
    if (fd < 0) {
        return false;
    }
    bool is_zone = read_all(fd, magic, sizeof magic, &len) == MG_OK &&
                   len == sizeof magic && memcmp(magic, "TZif", 4) == 0;
    (void)close(fd); /* nothing was written */
    return is_zone;
}

void mg_load_check_zone(struct mg_load *load)
{
    const char *zone = mg_item_text(&load->gateway, "timezone");
    char path[sizeof ZONES + sizeof load->setup->timezone];
    if (zone == NULL || strcmp(zone, "UTC") == 0 || load->is_offline) {
        return;
    }
    (void)snprintf(path, sizeof path, ZONES "%s", zone);
    if (!is_zone_file(path)) {
        mg_fault_add(&load->faults, mg_item_place(&load->gateway, "timezone"),
                     "timezone: \"%s\" is not in the tz database; expected "
                     "the name of a file below " ZONES
                     " such as Europe/Berlin, or UTC",
                     zone);
    }
}
