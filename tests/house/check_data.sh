#!/bin/sh
# No mutable file-scope data but the log level: looks at the symbols of our own
# libraries in the build directory $1. Exit 77 (skipped) on sanitizer builds,
# whose instrumentation adds data of its own.
set -eu
build=$1
libraries=$(find "$build/core" "$build/config" "$build/mqtt" -name 'libmg_*.a')
[ -n "$libraries" ] || { echo "no libraries below $build"; exit 1; }
# shellcheck disable=SC2086 # a list of files
if nm $libraries 2>/dev/null | grep -qE '__asan|__tsan|__ubsan|__gcov|__sancov'; then
    echo "skipped: instrumented build; the release build is checked"
    exit 77
fi
# shellcheck disable=SC2086 # a list of files
data=$(objdump -t $libraries |
    awk '/file format/ { file = $1 } / [dDbBO] .*\.(data|bss)(\.[a-z_.0-9]*)?[ \t]/ {
        if ($0 !~ /\.data\.rel\.ro/ && $NF !~ /^\.|^log_level$/) print file, $NF }')
if [ -n "$data" ]; then
    echo "$data"
    echo "mutable file-scope data; only the log level may be"
    exit 1
fi
echo "no mutable file-scope data"
