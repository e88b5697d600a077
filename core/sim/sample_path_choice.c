#include <string.h>

#include "sim/sample_path.h"

static const char *const names[MG_SAMPLE_PATHS] = {"baseline", "avx2",
                                                   "avx512"};

#ifdef MG_SAMPLE_PATH_X86

static mg_sample_path *wide_path(unsigned index)
{
    bool has_avx2 = __builtin_cpu_supports("avx2") != 0 &&
                    __builtin_cpu_supports("fma") != 0 &&
                    __builtin_cpu_supports("bmi") != 0 &&
                    __builtin_cpu_supports("bmi2") != 0;
    bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") != 0 &&
                      __builtin_cpu_supports("avx512bw") != 0 &&
                      __builtin_cpu_supports("avx512cd") != 0 &&
                      __builtin_cpu_supports("avx512dq") != 0 &&
                      __builtin_cpu_supports("avx512vl") != 0;
    if (index == 1) {
        return has_avx2 ? mg_sample_path_avx2 : NULL;
    }
    return has_avx512 ? mg_sample_path_avx512 : NULL;
}

#else

static mg_sample_path *wide_path(unsigned index)
{
    (void)index;
    return NULL;
}

#endif

mg_sample_path *mg_sample_path_at(unsigned index, const char **ret_name)
{
    if (index >= MG_SAMPLE_PATHS) {
        return NULL;
    }
    *ret_name = names[index];
    return index == 0 ? mg_sample_path_baseline : wide_path(index);
}

mg_sample_path *mg_sample_path_named(const char *name)
{
    for (unsigned k = MG_SAMPLE_PATHS; k-- > 0;) {
        const char *own;
        mg_sample_path *path = mg_sample_path_at(k, &own);
        if (name == NULL ? path != NULL : strcmp(name, own) == 0) {
            return path;
        }
    }
    return NULL;
}
