# The gateway with meters on the kernel's bus: simulated CPKM3000 on can1, the
# gateway on can0, which it brings up itself; and the clock that is set.

export METERGATE_PLUGINS=/plugins
ip link set can0 down
ip link set can1 down
ip link set can1 type can bitrate 250000
ip link set can1 up
ip link set lo up

cat >depot.yaml <<'END'
gateway: {id: vm, state_dir: state}
simulation: {seed: 3}
buses: [{id: can0, type: socketcan, interface: can0, bitrate: 250000, manage: true}]
meters:
  - {id: one, model: cpkm3000, bus: can0, unit: 1, simulate: {voltage: 230 V, current: 10 A}}
  - {id: two, model: cpkm3000, bus: can0, unit: 2, simulate: {voltage: 220 V, current: 5 A}}
END
sed -e 's/interface: can0.*}/interface: can1}/' depot.yaml >meters.yaml

say "simulated meters on can1"
metergate simulate --socketcan --json meters.yaml >sim.log 2>sim.err &
simulator=$!
expect sim.log '"ready":true'
expect sim.err 'can1: the simulated meters are on it'

say "one meter, read once: libsocketcan has set the bit rate"
check "read" metergate read --json --all depot.yaml one >read.log
expect read.log '"voltage_l1_v":2(29|30)\.'
expect read.log '31-002700-04-01' # over ISO-TP
ip -details link show can0 >link.log
expect link.log 'bitrate 250000'

say "the gateway: readings, signed telegrams, a clock that is set"
metergate run --stats stats.json depot.yaml >run.log 2>&1 &
gateway=$!
expect run.log 'one: the key of meter .* is trusted' 30
expect run.log 'two: the key of meter .* is trusted' 30
sleep 2
date -s "$(date -d @$(($(date +%s) + 3600)) '+%Y-%m-%d %H:%M:%S')" >date.log
expect run.log 'the clock was set by' 10
say "the interface goes down and comes back"
ip link set can0 down
expect run.log 'line can0: ' 20
expect run.log 'can-bus-error raised' 20
expect run.log 'can-bus-error is over' 40
kill "$gateway"
check "the gateway ends well" wait "$gateway"
expect stats.json '"online":2'
metergate log depot.yaml show >log.log
for event in EichrechtServiceStarted ClockUnsync MeterTestPassed ClockChanged \
    EichrechtServiceStopped; do
    expect log.log " $event "
done
check "the log book is whole" metergate log depot.yaml verify >verify.log
kill "$simulator"
wait
