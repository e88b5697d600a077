# An adapter with real error states, that can be unplugged: slcan on a pty.

plug() {
    mkfifo adapter.in
    slcan_adapter <adapter.in >adapter.log &
    adapter=$!
    sleep 1000000 >adapter.in &
    keeper=$!
    expect adapter.log can
    ip link set "$(cat adapter.log)" name slcan9
}

unplug() {
    kill "$adapter" "$keeper"
    rm adapter.in adapter.log
}

adapter_says() {
    echo "$1" >adapter.in
}

again() { # NAME PATTERN N: so many lines
    n=200
    until [ "$(grep -cE "$2" "$1.log")" -ge "$3" ]; do
        n=$((n - 1))
        if [ "$n" -le 0 ]; then
            tail "$1.log"
            check "$3 times: $2" false
        fi
        sleep 0.1
    done
}

say "managed: brought up"
plug
probe s slcan9 --managed 500000 --listen 123
expect s.log '^up'
ip -details link show slcan9 >link
expect link 'bitrate 500000'
adapter_says t12321122
expect s.log '^frame 123 1122'

say "errors"
adapter_says sw097003
expect s.log '^state error-warning tx 3 rx 97'
adapter_says sp130140
expect s.log '^state error-passive tx 140 rx 130'
adapter_says sa000000
expect s.log '^state error-active'

say "bus-off: brought down and up, since nobody else restarts it"
adapter_says sb000255
expect s.log '^state bus-off'
expect s.log '^down: the controller is bus-off'
again s '^up' 2
again s '^state error-active' 2
adapter_says t12323344
expect s.log '^frame 123 3344'

say "without manage: bus-off is said until somebody restarts it"
probe w slcan9 --listen 123
expect w.log '^up'
forget s
adapter_says sb000255
expect w.log '^state bus-off'
expect w.log '^down: slcan9: bus-off, and nobody restarts it: .ip link set slcan9 down. and .up.'
ip link set slcan9 down
ip link set slcan9 up
again w '^up' 2
forget w

say "unplugged, and plugged in again"
probe p slcan9 --managed 500000 --listen 123
expect p.log '^up'
unplug
expect p.log '^down: slcan9: the interface (went down|has gone)'
expect p.log '^down: slcan9: no such interface: is the adapter plugged in'
plug
again p '^up' 2
adapter_says t12325566
expect p.log '^frame 123 5566'
forget p
check "libsocketcan is silent" [ "$(cat s.err w.err p.err | grep -c .)" = 0 ]
unplug
