#!/bin/sh
# What ./mg test --all adds: formatter, thread sanitizer, the long fault campaign
# of charging sessions, fuzzing, clang-tidy.
set -eu
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-60}

echo "== formatter"
find core config mqtt plugins tests -name '*.[ch]' -print0 |
    xargs -0 clang-format --dry-run --Werror

echo "== thread sanitizer: store, uplink, gateway"
cmake --preset tsan >/dev/null
cmake --build build/tsan >/dev/null
ctest --test-dir build/tsan --output-on-failure -R 'store|mqtt|clock|gateway'

echo "== one fault at every request of a signed session"
MG_ALL=1 build/release/tests/unit/test_gateway_signing

echo "== sessions under faults, 500 rounds"
MG_BUILD=$PWD/build/release MG_SOURCE=$PWD \
    /usr/bin/python3 tests/integration/session_faults.py --rounds 500 --depots 4

echo "== fuzzing, $seconds s each"
cmake --preset fuzz >/dev/null
cmake --build build/fuzz >/dev/null
for target in build/fuzz/tests/fuzz/fuzz_*; do
    [ -x "$target" ] && [ -f "$target" ] || continue
    name=$(basename "$target")
    mkdir -p "build/fuzz/corpus/$name"
    "$target" -max_total_time="$seconds" -print_final_stats=0 \
        "build/fuzz/corpus/$name" "tests/fuzz/corpus/$name"
done

echo "== clang-tidy"
cmake --preset clang >/dev/null
find core config mqtt plugins -name '*.c' -print0 |
    xargs -0 -n 1 -P 2 clang-tidy --quiet -p build/clang
