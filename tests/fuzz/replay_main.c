/* Runs a fuzz target over the files of its corpus, for builds without
 * libFuzzer: fuzz_x DIRECTORY. Exit 1 when there is no corpus. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *directory, const char *name)
{
    static uint8_t data[1 << 20];
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s", directory, name);
    if (n < 0 || (size_t)n >= sizeof path) {
        return -1;
    }
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return -1;
    }
    size_t size = fread(data, 1, sizeof data, file);
    (void)fclose(file); /* only read */
    /* A copy of the exact size, so that the sanitizer sees an overrun. */
    uint8_t *copy = malloc(size + (size == 0));
    if (copy == NULL) {
        return -1;
    }
    for (size_t i = 0; i < size; i++) {
        copy[i] = data[i];
    }
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    return 0;
}

int main(int argc, char **argv)
{
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (dir == NULL) {
        (void)fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
        return 2;
    }
    int n_files = 0;
    struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.' && replay(argv[1], entry->d_name) == 0) {
            n_files++;
        }
    }
    (void)closedir(dir); /* only read */
    (void)printf("%d corpus files replayed\n", n_files);
    return n_files > 0 ? 0 : 1;
}
