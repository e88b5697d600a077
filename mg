#!/bin/sh
# metergate's front door: installs what is missing, builds, runs.
#
#   ./mg demo [ARGS]   a simulated depot, a broker and a live table
#   ./mg test [--all]  build with gcc and clang, run every test
#   ./mg bench [NAME]  the benchmarks
#   ./mg setup         only install the Debian packages that are missing
#   ./mg build         only build; the program is build/release/metergate
set -eu
cd "$(dirname "$0")"

build_packages="gcc libc6-dev cmake ninja-build pkg-config libuv1-dev
    libmodbus-dev libpaho-mqtt-dev libyaml-dev libssl-dev libsqlite3-dev
    libp11-kit-dev libqrencode-dev libexpat1-dev libsocketcan-dev tzdata"
demo_packages="mosquitto"
test_packages="clang libcmocka-dev mosquitto-clients mbpoll openssl binutils
    python3-pymodbus python3-serial-asyncio python3-paho-mqtt python3-jsonschema
    python3-yaml softhsm2 libxml2-utils zbar-tools can-utils qemu-system-x86
    busybox-static cpio iproute2 python3-can"
# The npm of nodejs.org brings its own; Debian's would conflict with it.
command -v npm >/dev/null || test_packages="$test_packages npm"
all_packages="clang-format clang-tidy libclang-rt-14-dev"

say() {
    printf 'mg: %s\n' "$*" >&2
}

missing() {
    for package in "$@"; do
        case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
        *"ok installed") ;;
        *) printf '%s ' "$package" ;;
        esac
    done
}

setup() {
    if ! command -v apt-get >/dev/null; then
        say "no apt-get here: install the counterparts of: $*"
        return 0
    fi
    wanted=$(missing "$@")
    [ -n "$wanted" ] || return 0
    sudo=
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            say "please install as root: apt-get install $wanted"
            exit 1
        fi
        sudo=sudo
    fi
    say "installing Debian packages: $wanted"
    log=$(mktemp)
    # The second try is for a machine without package lists, or old ones.
    if ! install_packages >"$log" 2>&1; then
        $sudo apt-get update >"$log" 2>&1 || true
        if ! install_packages >"$log" 2>&1; then
            tail -n 20 "$log" >&2
            say "the packages could not be installed; the log is $log"
            exit 1
        fi
    fi
    rm -f "$log"
}

# shellcheck disable=SC2086 # package lists are words
install_packages() {
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
        --no-install-recommends $wanted
}

# build PRESET [TARGET...]: quiet unless it fails. With targets, the tests and
# what only they need are left out.
build() {
    preset=$1
    shift
    tests=ON
    [ $# -eq 0 ] || tests=OFF
    say "building: $preset"
    log=build/$preset.log
    mkdir -p build
    if ! { cmake --preset "$preset" -DMG_TESTS=$tests &&
        cmake --build "build/$preset" ${1:+--target "$@"}; } >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        say "the build failed; the whole log is $log"
        exit 1
    fi
}

run_tests() {
    say "testing: $1"
    ctest --test-dir "build/$1" --output-on-failure --timeout 120 -j 6
}

# shellcheck disable=SC2086 # package lists are words
case ${1:-help} in
setup)
    setup $build_packages $demo_packages $test_packages
    say "all packages are there"
    ;;
build)
    setup $build_packages
    build release product
    say "built: build/release/metergate"
    ;;
demo)
    shift
    setup $build_packages $demo_packages
    build release product
    exec build/release/metergate demo "$@" config/examples/demo.yaml
    ;;
test)
    setup $build_packages $demo_packages $test_packages
    build release
    run_tests release
    build asan
    run_tests asan
    build clang
    if [ "${2:-}" = --all ]; then
        setup $all_packages
        tests/all.sh
    fi
    say "all tests passed: release, asan+ubsan; clang builds without a warning"
    ;;
bench)
    shift
    setup $build_packages $demo_packages $test_packages
    build release
    exec tests/bench/run.sh "$@"
    ;;
help | --help | -h)
    sed -n '2,9s/^# \{0,1\}//p' "$0"
    ;;
*)
    say "there is no '$1'; ./mg help"
    exit 2
    ;;
esac
