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

say "a burst: the kernel's queue is full again and again, nothing is lost"
for i in $(seq 200); do
    echo 'send 123#1122334455667788'
done >s.in
again s '^sent: ok' 200
never s.log '^sent: [^o]'

looks=0
# hold_up: the adapter takes nothing any more, and many frames are sent
hold_up() {
    kill -STOP "$adapter"
    for i in $(seq 200); do
        echo 'send 123#1122334455667788'
    done >s.in
    looks=$((looks + 1))
    tell s stats
    again s '^stats' "$looks" # all are taken
}

say "held up for a moment: it goes on by itself"
n=5
until ok=$(grep -c '^sent: ok' s.log)
    hold_up
    kill -CONT "$adapter"
    sleep 2
    [ "$(grep -c '^sent: ok' s.log)" = $((ok + 200)) ]; do
    n=$((n - 1)) # a slow machine: the moment was longer than a second
    check "all go out, without a new one to push them" [ "$n" -gt 0 ]
done

say "a queue that does not move: what waits is dropped, and said"
hold_up
expect s.log '^sent: ok'
expect s.log '^sent: no answer in time'
kill -CONT "$adapter"
ok=$(grep -c '^sent: ok' s.log)
n=50
until [ "$(grep -c '^sent: ok' s.log)" -gt "$ok" ]; do
    tell s 'send 7#'
    n=$((n - 1))
    check "it goes on" [ "$n" -gt 0 ]
    sleep 0.1
done
never s.log '^down'

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
