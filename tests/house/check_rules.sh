#!/bin/sh
# House rules that a grep can see: banned functions, floating point where
# numbers must be exact. Exit 1 with file:line.
set -eu
cd "${1:-$(dirname "$0")/../..}"
status=0

# Comments may speak of anything: look at code only.
code() {
    sed -e 's,/\*.*\*/,,' -e 's,^ \* .*,,' -e 's,^ *\* .*,,' -e 's,/\*.*,,' "$1"
}

report() {
    for file in $1; do
        hits=$(code "$file" | grep -nE "$2" || true)
        if [ -n "$hits" ]; then
            echo "$hits" | sed "s,^,$file:,"
            echo "  -> $3"
            status=1
        fi
    done
}

all=$(find core config mqtt plugins -name '*.[ch]' | sort)
exact=$(find core/model core/store core/include mqtt config plugins -name '*.[ch]' | sort)

report "$all" '(^|[^a-z_])(strcpy|strcat|sprintf|vsprintf|strncpy|strtok|atoi|atol|gets|localtime|gmtime|alloca|system|sleep|usleep)\(' \
    "banned function"
report "$exact" '(^|[^a-zA-Z_])(float|double|strtod|strtof)([^a-zA-Z_]|$)' \
    "no floating point here: int64 in base units"
exit $status
