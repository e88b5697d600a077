/* Finding and loading the plugins.
 *
 * A plugin runs with the gateway's rights, so the file that was checked must be
 * the file that is loaded: it is opened once, checked through the descriptor,
 * and loaded through /proc/<pid>/fd/<n>. */
#include "run/plugins.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MG_PLUGIN_DIR
#define MG_PLUGIN_DIR "/usr/local/lib/metergate/plugins"
#endif

#define PATH_MAX_LEN 4096
#define FD_NAME_MAX  48

/* Group-writable is the administrator's choice; others never. */
static int check_owner(const struct stat *st, const char *path,
                       struct mg_err *err)
{
    if (st->st_uid != 0 && st->st_uid != geteuid()) {
        return mg_err_set(err, MG_E_DENIED,
                          "%s belongs to user %u; expected root or user %u",
                          path, (unsigned)st->st_uid, (unsigned)geteuid());
    }
    if ((st->st_mode & S_IWOTH) != 0) {
        return mg_err_set(err, MG_E_DENIED,
                          "%s is writable by everybody (mode %04o); remedy: "
                          "chmod o-w",
                          path, (unsigned)st->st_mode & 07777);
    }
    return MG_OK;
}

/* @return the directory's descriptor or -1 with err */
static int open_directory(const char *path, struct mg_err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        (void)mg_err_errno(err, errno, "plugins: %s", path);
        return -1;
    }
    struct stat st;
    if (fstat(fd, &st) != 0) {
        (void)mg_err_errno(err, errno, "plugins: %s", path);
    } else if (check_owner(&st, path, err) == MG_OK) {
        return fd;
    }
    (void)close(fd);
    return -1;
}

/* @return the file's descriptor or -1 with err */
static int open_file(int directory, const char *name, struct mg_err *err)
{
    /* NONBLOCK: opening a FIFO must not wait for its other end. */
    int fd =
        openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && errno == ELOOP) {
        (void)mg_err_set(err, MG_E_DENIED, "a symbolic link; expected a file");
        return -1;
    }
    if (fd < 0) {
        (void)mg_err_errno(err, errno, "cannot be opened");
        return -1;
    }
    struct stat st;
    if (fstat(fd, &st) != 0) {
        (void)mg_err_errno(err, errno, "cannot be examined");
    } else if (!S_ISREG(st.st_mode)) {
        (void)mg_err_set(err, MG_E_DENIED, "not a regular file");
    } else if (check_owner(&st, "the file", err) == MG_OK) {
        return fd;
    }
    (void)close(fd);
    return -1;
}

static void fd_name(int fd, char ret[FD_NAME_MAX])
{
    (void)snprintf(ret, FD_NAME_MAX, "/proc/%ld/fd/%d", (long)getpid(), fd);
}

/* The dynamic linker looks for a loaded module by name before it opens a file,
 * so a descriptor's number must not be used again while a module is known by
 * it. Refused for good, a module is gone and its descriptor can be closed. */
static void unload(void *handle, int fd)
{
    char name[FD_NAME_MAX];
    fd_name(fd, name);
    (void)dlclose(handle); /* an error would leave it loaded: see below */
    void *still = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
    if (still == NULL) {
        (void)close(fd);
        return;
    }
    (void)dlclose(still);
}

static void *load(int fd, struct mg_err *err)
{
    char name[FD_NAME_MAX];
    fd_name(fd, name);
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        const char *text = dlerror();
        (void)mg_err_set(err, MG_E_PROTO, "%s",
                         text == NULL ? "cannot be loaded" : text);
    }
    return handle;
}

static int check_module(const struct mg_plugins *plugins, void *handle,
                        const struct mg_plugin **ret, struct mg_err *err)
{
    const struct mg_plugin *plugin = dlsym(handle, MG_PLUGIN_SYMBOL);
    if (plugin == NULL) {
        return mg_err_set(err, MG_E_NOTFOUND,
                          "no symbol " MG_PLUGIN_SYMBOL ": not a plugin");
    }
    int rc = mg_plugin_validate(plugin, err);
    if (rc != MG_OK) {
        return rc;
    }
    for (size_t i = 0; i < plugins->n; i++) {
        if (strcmp(plugins->loaded[i].plugin->model, plugin->model) == 0) {
            return mg_err_set(err, MG_E_INVAL,
                              "model %s is already in %s: one of them must go",
                              plugin->model, plugins->loaded[i].file);
        }
    }
    *ret = plugin;
    return MG_OK;
}

/* @param fd  closed on failure, kept for good on success: see unload */
static int add(struct mg_plugins *plugins, int fd, const char *path,
               struct mg_err *err)
{
    void *handle = load(fd, err);
    if (handle == NULL) {
        (void)close(fd);
        return err->code;
    }
    const struct mg_plugin *plugin = NULL;
    int rc = check_module(plugins, handle, &plugin, err);
    char *file = rc == MG_OK ? strdup(path) : NULL;
    if (rc == MG_OK && file == NULL) {
        rc = mg_err_set(err, MG_E_NOMEM, "out of memory");
    }
    if (rc != MG_OK) {
        unload(handle, fd);
        return rc;
    }
    plugins->loaded[plugins->n].plugin = plugin;
    plugins->loaded[plugins->n].handle = handle;
    plugins->loaded[plugins->n].file = file;
    plugins->loaded[plugins->n].fd = fd;
    plugins->n++;
    return MG_OK;
}

/* A file of a directory that has been checked. */
static int load_one(struct mg_plugins *plugins, int directory, const char *name,
                    const char *path, struct mg_err *err)
{
    int rc;
    if (plugins->n >= MG_PLUGINS_MAX) {
        rc =
            mg_err_set(err, MG_E_NOSPC, "more than %d plugins", MG_PLUGINS_MAX);
    } else {
        int fd = open_file(directory, name, err);
        rc = fd < 0 ? err->code : add(plugins, fd, path, err);
    }
    if (rc != MG_OK) {
        mg_err_prefix(err, "plugin %s", path);
    }
    return rc;
}

int mg_plugins_load_file(struct mg_plugins *plugins, const char *file,
                         struct mg_err *err)
{
    char directory[PATH_MAX_LEN];
    const char *slash = strrchr(file, '/');
    const char *name = slash == NULL ? file : slash + 1;
    int n = snprintf(directory, sizeof directory, "%.*s",
                     slash == NULL ? 1 : (int)(slash - file + 1),
                     slash == NULL ? "." : file);
    if (n < 0 || (size_t)n >= sizeof directory) {
        return mg_err_set(err, MG_E_NOSPC, "plugin %.80s...: path too long",
                          file);
    }
    int fd = open_directory(directory, err);
    if (fd < 0) {
        return err->code;
    }
    int rc = load_one(plugins, fd, name, file, err);
    (void)close(fd);
    return rc;
}

static int is_module(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 3 && entry->d_name[0] != '.' &&
           strcmp(entry->d_name + len - 3, ".so") == 0;
}

/* Bytes, not the locale: the same order everywhere. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* A failed load leaves the list as it was. */
static void unload_from(struct mg_plugins *plugins, size_t n)
{
    while (plugins->n > n) {
        plugins->n--;
        free(plugins->loaded[plugins->n].file);
        unload(plugins->loaded[plugins->n].handle,
               plugins->loaded[plugins->n].fd);
    }
}

static int load_names(struct mg_plugins *plugins, int fd, const char *directory,
                      struct dirent **names, int n_names, struct mg_err *err)
{
    if (n_names == 0) {
        return mg_err_set(err, MG_E_NOTFOUND, "no plugin (*.so) in %s",
                          directory);
    }
    for (int i = 0; i < n_names; i++) {
        char path[PATH_MAX_LEN];
        int n =
            snprintf(path, sizeof path, "%s/%s", directory, names[i]->d_name);
        if (n < 0 || (size_t)n >= sizeof path) {
            return mg_err_set(err, MG_E_NOSPC, "%.80s...: path too long",
                              directory);
        }
        int rc = load_one(plugins, fd, names[i]->d_name, path, err);
        if (rc != MG_OK) {
            return rc;
        }
    }
    return MG_OK;
}

int mg_plugins_load(struct mg_plugins *plugins, const char *directory,
                    struct mg_err *err)
{
    size_t n_before = plugins->n;
    int fd = open_directory(directory, err);
    if (fd < 0) {
        return err->code;
    }
    int rc;
    struct dirent **names = NULL;
    int n_names = scandirat(fd, ".", &names, is_module, by_name);
    if (n_names < 0) {
        rc = mg_err_errno(err, errno, "plugins: %s", directory);
    } else {
        rc = load_names(plugins, fd, directory, names, n_names, err);
    }
    if (rc != MG_OK) {
        unload_from(plugins, n_before);
    }
    while (n_names > 0) {
        free(names[--n_names]);
    }
    free(names);
    (void)close(fd);
    return rc;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* plugins/ next to the executable. */
static bool beside_executable(char *ret_path, size_t cap)
{
    char exe[PATH_MAX_LEN];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0) {
        return false;
    }
    exe[n] = '\0';
    char *slash = strrchr(exe, '/');
    if (slash == NULL) {
        return false;
    }
    int len = snprintf(ret_path, cap, "%.*s/plugins", (int)(slash - exe), exe);
    return len > 0 && (size_t)len < cap && is_directory(ret_path);
}

int mg_plugins_directory(char *ret_path, size_t cap, struct mg_err *err)
{
    const char *given = secure_getenv("METERGATE_PLUGINS");
    if (given != NULL && given[0] != '\0') {
        int n = snprintf(ret_path, cap, "%s", given);
        if (n < 0 || (size_t)n >= cap || !is_directory(given)) {
            return mg_err_set(err, MG_E_NOTFOUND,
                              "METERGATE_PLUGINS: %.150s is no directory",
                              given);
        }
        return MG_OK;
    }
    if (beside_executable(ret_path, cap)) {
        return MG_OK;
    }
    int n = snprintf(ret_path, cap, "%s", MG_PLUGIN_DIR);
    if (n < 0 || (size_t)n >= cap || !is_directory(MG_PLUGIN_DIR)) {
        return mg_err_set(err, MG_E_NOTFOUND,
                          "no plugins next to the executable, nor in %s; "
                          "METERGATE_PLUGINS may name the directory",
                          MG_PLUGIN_DIR);
    }
    return MG_OK;
}

const struct mg_plugin *mg_plugins_find(const struct mg_plugins *plugins,
                                        const char *model)
{
    for (size_t i = 0; i < plugins->n; i++) {
        if (strcmp(plugins->loaded[i].plugin->model, model) == 0) {
            return plugins->loaded[i].plugin;
        }
    }
    return NULL;
}

void mg_plugins_destroy(struct mg_plugins *plugins)
{
    for (size_t i = 0; i < plugins->n; i++) {
        free(plugins->loaded[i].file);
    }
    plugins->n = 0;
}
