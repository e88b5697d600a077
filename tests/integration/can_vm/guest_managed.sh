# An interface that the engine brings up itself, and its other conditions.

say "down, and without manage: said, and no more"
probe plain can0 --listen 123
expect plain.log '^down: can0: the interface is down: `ip link set can0 up`, or `manage: true`'
check "it stays down" sh -c '! /iproute2/ip link show can0 | grep -q "[<,]UP"'

say "brought up by somebody else: found within the back-off"
ip link set can0 type can bitrate 250000 restart-ms 100
ip link set can0 up
expect plain.log '^up'

say "managed: another bit rate"
probe m can0 --managed 500000 --sample-point 750 --restart-ms 100 --listen 123
expect m.log '^up'
ip -details link show can0 >link
expect link 'state ERROR-ACTIVE .*restart-ms 100'
expect link 'bitrate 500000 sample-point 0.750'
expect plain.log '^down: can0: the interface went down'

say "as asked already: left alone"
probe again can0 --managed 500000 --sample-point 750 --restart-ms 100
expect again.log '^up'
tell again stats
expect again.log '^stats .* opens=1 '
never m.log '^down'
forget again

say "taken down: an event, and brought up again"
ip link set can0 down
expect m.log '^down: can0: the interface went down'
expect m.log '^up' # still the first one
n=50
until [ "$(grep -c '^up' m.log)" = 2 ]; do
    n=$((n - 1))
    check "it is brought up again" [ "$n" -gt 0 ]
    sleep 0.1
done
ip -details link show can0 >link
expect link 'bitrate 500000'
forget m
forget plain

say "a bit rate that the controller cannot do: said once on stderr"
probe odd can0 --managed 499
expect odd.log '^down: can0: the bit rate or sample point is refused'
n=50
until [ "$(grep -c '^down' odd.log)" -ge 2 ]; do
    n=$((n - 1))
    check "it is tried again" [ "$n" -gt 0 ]
    sleep 0.1
done
check "libsocketcan speaks once" [ "$(grep -c . odd.err)" -le 1 ]
forget odd

say "virtual: nothing to manage; unknown; not CAN; without rights"
probe v vcan0 --managed 500000
expect v.log '^down: vcan0: a virtual interface has no bit rate'
forget v
probe u can7
expect u.log '^down: can7: no such interface: is the adapter plugged in'
forget u
probe lo lo
expect lo.log '^down: lo: this interface is not CAN'
forget lo
ip link set can0 down
mkfifo n.in
start-stop-daemon -S -c nobody:nogroup -x /bin/can_probe -- can0 --managed 500000 \
    <n.in >n.log 2>n.err &
sleep 1000 >n.in &
expect n.log '^down: can0: `manage` needs the capability CAP_NET_ADMIN'
check "nothing on stderr" [ ! -s n.err ]
tell n quit
expect n.log '^closed: ok'
