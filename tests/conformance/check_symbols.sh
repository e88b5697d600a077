#!/bin/sh
# check_symbols.sh PLUGIN.so: what a plugin exports, imports and can change.
#
# A plugin exports mg_plugin and nothing else, imports nothing but memory and
# string functions, and has no mutable data of its own, so that it cannot
# allocate, log, read a clock, start a thread or remember anything.
set -eu
LC_ALL=C
export LC_ALL

plugin=$1
name=$(basename "$plugin")
failed=0

complain()
{
    echo "$name: $1" >&2
    failed=1
}

[ -r "$plugin" ] || { echo "$plugin: not there" >&2; exit 1; }
imports=$(nm -D -u "$plugin" | sed 's/^.* //; s/@.*//')

# Instrumented code imports its run-time library and counts in .bss: the rules
# are those of the code that is delivered.
case $imports in
*__asan_* | *__ubsan_* | *__tsan_* | *__gcov_* | *__llvm_* | *__sanitizer_*)
    echo "$name: not checked: built with sanitizers or coverage," \
        "which add imports and data of their own"
    exit 77
    ;;
esac

for symbol in $imports; do
    case $symbol in
    memcpy | memmove | memset | memcmp | strlen | strcmp) ;;
    __memcpy_chk | __memmove_chk | __memset_chk) ;;
    __stack_chk_fail | __stack_chk_guard) ;;
    # Start-up code of the compiler and helpers for 64-bit numbers on 32-bit
    # machines.
    _ITM_* | __cxa_finalize | __gmon_start__ | __aeabi_*div* | __*di3) ;;
    *) complain "imports $symbol" ;;
    esac
done

exports=$(nm -D --defined-only "$plugin" | sed 's/^.* //; s/@.*//')
[ "$exports" = mg_plugin ] ||
    complain "exports $(echo $exports), expected mg_plugin alone"

[ -n "$(nm "$plugin" 2>/dev/null)" ] ||
    complain "stripped: its data cannot be checked"

# Constant tables with pointers are in .data.rel.ro, which nm shows with the same
# letter as .data: so ask for the section.
writable=$(objdump -t "$plugin" |
    awk '$0 ~ /[ \t]\.(data|bss|tdata|tbss)[ \t]/ && $0 !~ / d  / {
        print $NF }')
for symbol in $writable; do
    case $symbol in
    completed.* | __dso_handle | __TMC_END__ | _edata | _end | __bss_start) ;;
    *) complain "mutable data: $symbol" ;;
    esac
done

[ $failed -eq 0 ] && echo "$name: exports, imports and data are right"
exit $failed
