/* The kernel of the sample path: up to 64 samples of one phase, from sinusoids
 * to a converter's counts and their sums.
 *
 * Vectorised over time: what turns a sinusoid from a chunk's first sample to
 * its k-th one is the same for all phases and all meters of one frequency, so
 * it lies in a table; there is no chain from sample to sample, a tick of 39
 * samples wastes one of 40, and a single meter is as fast as a fleet. (Over
 * the phases of a meter only three lanes of a vector would have work; over
 * meters, all would have to tick together.)
 *
 * One source, compiled for several vector units. The bits are the same with
 * each: before the rounding to counts, additions and multiplications of doubles
 * in one fixed order per sample, without contraction; after it, whole numbers
 * whose sums stay below 2^53, exact in any order. */
#ifndef MG_SIM_SAMPLE_PATH_H
#define MG_SIM_SAMPLE_PATH_H

#include <stdalign.h>

#include "sim/waves.h"

#define MG_CHUNK 64 /* samples computed together */
#define MG_WIDE                                                                \
    8              /* noise generators side by side; samples are padded to it  \
                    */
#define MG_LINE 64 /* alignment of whatever the kernel goes through */

/* cos and sin of k steps of one order. */
struct mg_sample_turns {
    alignas(MG_LINE) double cosine[MG_CHUNK];
    double sine[MG_CHUNK];
};

/* sine * cos(k steps) + cosine * sin(k steps) */
struct mg_sample_term {
    double sine, cosine;
    const struct mg_sample_turns *turns;
};

/* A signal at a chunk's start. */
struct mg_sample_signal {
    unsigned n;
    double dc; /* with the offset */
    struct mg_sample_term term[MG_SIM_COMPONENTS_MAX];
};

/* What no sum of sinusoids is, sample by sample. */
struct mg_sample_extras {
    alignas(MG_LINE) double gate[MG_CHUNK]; /* factor of the current's term 0 */
    double u[MG_CHUNK], i[MG_CHUNK];        /* added */
};

struct mg_sample_job {
    size_t n;                /* samples, 1..MG_CHUNK */
    double noise_u, noise_i; /* counts, rms */
    double full;             /* end stop: -full..full - 1 */
    bool may_clip;
    struct mg_sample_signal u, q, i; /* q: the voltage a quarter period back */
    const struct mg_sample_extras *extras; /* NULL: none */
    uint64_t *noise;                       /* [MG_WIDE], not 0 */
};

/** Add a chunk to a phase's sums.
 *  @param ret_u  the voltage's counts, [MG_CHUNK]; NULL: nobody asks */
typedef void mg_sample_path(const struct mg_sample_job *job,
                            struct mg_lane_sums *sums, double *ret_u);

mg_sample_path mg_sample_path_baseline;
mg_sample_path mg_sample_path_avx2;   /* where MG_SAMPLE_PATH_X86 */
mg_sample_path mg_sample_path_avx512; /* is defined */

/* ---- Which one ---- */

enum { MG_SAMPLE_PATHS = 3 };

/** @param index  0..MG_SAMPLE_PATHS - 1: baseline, avx2, avx512
 *  @return the kernel; NULL: this CPU or this program has it not */
mg_sample_path *mg_sample_path_at(unsigned index, const char **ret_name);

/** The widest that there is, or the one that MG_SIM_ISA names.
 *  @param name  baseline, avx2 or avx512; NULL: the widest
 *  @return NULL: not known, or not here */
mg_sample_path *mg_sample_path_named(const char *name);

#endif
