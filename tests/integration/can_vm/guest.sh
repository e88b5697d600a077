# Helpers for the scripts of the machine; each runs in a folder of its own.

ip() { # busybox's own knows nothing of CAN
    /iproute2/ip "$@"
}

say() {
    echo "$(cut -d' ' -f1 /proc/uptime) $*"
}

# expect FILE PATTERN [SECONDS]: wait until a line of FILE matches.
expect() {
    n=$((${3:-20} * 10))
    until grep -qE -- "$2" "$1" 2>/dev/null; do
        n=$((n - 1))
        if [ "$n" -le 0 ]; then
            echo "FAILED: no line '$2' in $1:"
            tail -n 20 "$1"
            exit 1
        fi
        sleep 0.1
    done
}

# never FILE PATTERN: no line matches.
never() {
    if grep -E -- "$2" "$1"; then
        echo "FAILED: '$2' in $1"
        exit 1
    fi
}

# check TEXT COMMAND...: it must succeed.
check() {
    what=$1
    shift
    if ! "$@"; then
        echo "FAILED: $what"
        exit 1
    fi
}

# probe NAME ARGS...: start can_probe; tell NAME LINE writes to it, NAME.log is
# what it says, forget NAME ends it.
probe() {
    name=$1
    shift
    rm -f "$name.log" # of an earlier one
    mkfifo "$name.in"
    can_probe "$@" <"$name.in" >"$name.log" 2>"$name.err" &
    eval "pid_$name=$!"
    sleep 1000000 >"$name.in" & # keeps it open
    eval "keep_$name=$!"
}

tell() {
    echo "$2" >"$1.in"
}

forget() {
    tell "$1" quit
    eval "wait \$pid_$1" || { echo "FAILED: $1 ended badly"; exit 1; }
    expect "$1.log" '^closed: ok'
    eval "kill \$keep_$1"
    rm "$1.in"
}
