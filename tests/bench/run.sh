#!/bin/sh
# ./mg bench [NAME]: fleet, rtu, signing, json, sim, closed, month, store, verify,
# crypto, can; without a name all of them.
# Ratios against the peer or limit that each names; numbers are of this machine.
set -eu
cd "$(dirname "$0")/../.."
build=${MG_BUILD:-build/release}
export MG_BUILD="$build"

title() {
    printf '\n== %s\n' "$*"
}

bench_fleet() {
    title "fleet: 1 poll/s a meter, 20 registers, 20 ms turnaround, to mosquitto"
    tests/bench/fleet.py --meters 100,1000 --seconds "${SECONDS_EACH:-20}"
    title "fleet of KPM31: three requests a poll, 44 registers"
    tests/bench/fleet.py --model kpm31 --meters 1000 --seconds "${SECONDS_EACH:-20}"
}

bench_rtu() {
    title "rtu: line utilisation against the theoretical cycle, on ptys"
    "$build/tests/bench/bench_rtu" --seconds "${SECONDS_EACH:-5}"
}

bench_signing() {
    title "signing: a full line of 64 meters while two of them sign"
    tests/bench/signing.py --seconds "${SECONDS_EACH:-20}"
}

bench_json() {
    title "json: encoding one reading"
    "$build/tests/bench/bench_json"
}

bench_sim() {
    title "sim: simulated meters in real time per core"
    "$build/tests/bench/bench_sim"
}

bench_store() {
    title "store: commits, rows, CPU"
    "$build/tests/bench/bench_store"
}

bench_verify() {
    title "verify: records against openssl speed, per core and on all"
    tests/bench/verify.py
}

bench_crypto() {
    title "crypto: sign and verify against openssl speed, per core and on all"
    "$build/tests/bench/bench_crypto"
}

bench_can() {
    title "can: decoding full buses of 1 Mbit/s per core"
    "$build/tests/bench/bench_can" tests/bench/can.dbc
}

bench_closed() {
    title "closed: meters in real time per core without samples"
    "$build/tests/bench/bench_closed"
}

bench_month() {
    title "month: 31 days of a depot of 100 meters, twice"
    "$build/tests/bench/bench_month" "$build/plugins"
}

case ${1:-all} in
all)
    for name in fleet rtu signing json sim closed month store verify crypto can; do
        "bench_$name"
    done
    ;;
fleet | rtu | signing | json | sim | closed | month | store | verify | crypto | \
    can)
    "bench_$1"
    ;;
*)
    echo "bench: there is no '$1'; fleet, rtu, signing, json, sim, closed, month," \
        "store, verify, crypto, can" >&2
    exit 2
    ;;
esac
