#!/bin/sh
# The layers go one way. For every source file, each #include "x/..." must name
# a folder that its own folder may see. Exit 1 with file:line for each breach.
#
#   base <- model, wire, crypto <- record <- bus, store <- sim <- run <- cli
#   typetest, beside run: sim, model and base; only cli sees it.
#   config, mqtt: run and below; only cli sees them. Plugins: the SDK only.
set -eu
cd "${1:-$(dirname "$0")/../..}"

allowed() {
    case $1 in
    core/base) echo "metergate base" ;;
    core/model) echo "metergate base model" ;;
    core/wire) echo "metergate base wire" ;;
    core/crypto) echo "metergate base crypto" ;;
    core/record) echo "metergate base model crypto record" ;;
    core/bus) echo "metergate base model wire bus" ;;
    core/store) echo "metergate base model store" ;;
    core/sim) echo "metergate base model wire crypto bus sim" ;;
    core/typetest) echo "metergate base model sim typetest" ;;
    core/run) echo "metergate base model wire crypto record bus store sim run" ;;
    core/cli) echo "metergate base model wire crypto record bus store sim typetest run cli config mqtt" ;;
    config) echo "metergate base model wire crypto bus store sim run config" ;;
    mqtt) echo "metergate base model store run mqtt" ;;
    plugins/*) echo "metergate" ;;
    core/include/metergate) echo "metergate" ;;
    *) echo "?" ;;
    esac
}

breaches=0
files=0
for file in $(find core config mqtt plugins -name '*.[ch]' | sort); do
    folder=$(dirname "$file")
    layers=$(allowed "$folder")
    files=$((files + 1))
    for hit in $(sed -n 's/^ *# *include *"\([^"]*\)".*/\1/p' "$file"); do
        case $hit in
        */*) layer=${hit%%/*} ;;
        *) layer=$folder ;; # a plugin's own header, next to it
        esac
        case " $layers $folder " in
        *" $layer "*) ;;
        *)
            line=$(grep -n "\"$hit\"" "$file" | head -n 1 | cut -d: -f1)
            echo "$file:$line: $folder may not include \"$hit\"; it may see: $layers"
            breaches=$((breaches + 1))
            ;;
        esac
    done
    # No header of ours hides behind angle brackets, and a plugin knows libc's
    # freestanding part only.
    case $folder in
    plugins/*)
        if grep -nE '^ *# *include *<' "$file" |
            grep -vE '<(stdbool|stddef|stdint|stdalign|limits|string)\.h>'; then
            echo "$file: a plugin may include the SDK and freestanding headers only"
            breaches=$((breaches + 1))
        fi
        ;;
    esac
done
echo "$files files, $breaches breaches of the layers"
[ "$files" -gt 0 ] && [ "$breaches" -eq 0 ]
