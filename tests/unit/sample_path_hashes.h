/* Ours: what `test_sample_path print` says. They change only with the signal
 * that is meant, never with the machine. */
#include <stdint.h>

static const uint64_t sample_path_hashes[] = {
    UINT64_C(0x62581e22082bf507), /* one phase */
    UINT64_C(0xdb6d967729255159), /* three phases with noise */
    UINT64_C(0x44f572c8e8f029e6), /* twelve harmonics */
    UINT64_C(0xfa5acbff12598175), /* six phases, restless, a transformer */
    UINT64_C(0x4c5ba1e9fb421119), /* end stop */
    UINT64_C(0x4584851abe98e1c2), /* coarse converter */
    UINT64_C(0xf09d12331e51aec0), /* half wave */
    UINT64_C(0x74da7d8662b2b524), /* half wave, a transformer */
    UINT64_C(0x4928caeeefead3b7), /* phase fired */
    UINT64_C(0x87550dac8eaafae2), /* burst fired */
    UINT64_C(0x9f197e9818b3087d), /* spikes */
    UINT64_C(0x1227a49f12e6b084), /* ringing */
};
