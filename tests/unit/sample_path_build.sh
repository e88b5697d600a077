#!/bin/sh
# sample_path_build.sh SOURCE_DIR COMPILER OPTIMISATION: the front end and
# test_sample_path.c made by another compiler or optimisation, and the same
# hashes asked of it with every vector unit. Ends with 77, which ctest shows as
# skipped, where something is missing, and says what.
set -eu
source=$1
cc=$2
level=$3
skipped=""

command -v "$cc" >/dev/null || {
    echo "SKIPPED: there is no compiler '$cc'"
    exit 77
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

flags="-std=c11 -D_GNU_SOURCE -ffp-contract=off $level -I$source/core \
    -I$source/core/include"

kernel() { # name, options
    name=$1
    shift
    # shellcheck disable=SC2086
    "$cc" $flags "$@" -DMG_SAMPLE_PATH="mg_sample_path_$name" \
        -c "$source/core/sim/sample_path.c" -o "$dir/$name.o"
    # shellcheck disable=SC2086
    "$cc" $flags "$@" -DMG_PURE_SUMS="mg_pure_sums_$name" \
        -c "$source/core/sim/closed_block_sums.c" -o "$dir/sums_$name.o"
}

units=baseline
kernel baseline
if kernel avx512 -march=x86-64-v4 -mprefer-vector-width=512 2>/dev/null; then
    kernel avx2 -march=x86-64-v3
    units="baseline avx2 avx512"
    flags="$flags -DMG_SAMPLE_PATH_X86"
else
    skipped="$cc has no wider vectors here"
fi
sim=$source/core/sim
# shellcheck disable=SC2086
"$cc" $flags -I"$source/tests/unit" -o "$dir/program" \
    "$source/tests/unit/test_sample_path.c" "$sim/frontend.c" \
    "$sim/transients.c" "$sim/waves.c" "$sim/turn.c" "$sim/mains.c" \
    "$sim/rng.c" "$sim/sample_path_choice.c" "$sim/fast_path.c" \
    "$sim/closed_form.c" "$sim/closed_block.c" "$dir"/*.o

for unit in $units; do
    code=0
    "$dir/program" "$unit" || code=$?
    [ $code -eq 0 ] || [ $code -eq 77 ] || exit $code
    [ $code -eq 0 ] || skipped="this machine has no $unit"
done
[ -z "$skipped" ] || {
    echo "SKIPPED: $skipped; what there is says the same"
    exit 77
}
