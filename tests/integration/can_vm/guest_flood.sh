# A bus at full load: no frame is lost without a word, and the engine still
# listens to others.

ip link set vcan0 down
ip link set vcan0 up

figure() { # NAME: from the newest line of statistics
    grep '^stats' f.log | tail -n 1 | sed "s/.* $1=\([0-9]*\).*/\1/"
}

# settled N: until all of N frames are received or counted as lost
settled() {
    n=300
    until tell f stats && sleep 0.1 &&
        [ $(($(figure counted) + $(figure missing))) = "$1" ]; do
        n=$((n - 1))
        check "every frame is received or counted as lost" [ "$n" -gt 0 ]
    done
    tail -n 1 f.log
    never f.log 'out of order'
    check "what is missing is what the kernel said" \
        [ "$(figure missing)" = "$(figure overrun)" ]
}

probe f vcan0 --listen 123 --count
expect f.log '^up'
say "30000 frames as fast as they can be written"
cangen vcan0 -g 0 -I 123 -L 8 -D i -n 30000 &
flood=$!
sleep 0.5
tell f stats
expect f.log '^stats' # answered while it goes on
wait "$flood"
cansend vcan0 123#3075000000000000 # 30000: tells of what was lost before it
settled 30001
check "at most 200 us of processor time for a frame, emulated" \
    [ "$(figure cpu_ms)" -lt 6000 ]

say "foreign frames cost nothing: the kernel keeps them away"
before=$(figure cpu_ms)
cangen vcan0 -g 0 -I 124 -L 8 -n 20000
tell f stats
sleep 0.2
check "nothing foreign came" [ "$(figure foreign)" = 0 ]
check "no processor time" [ $(($(figure cpu_ms) - before)) -lt 200 ]
forget f

say "frames are lost while the process is held up: each is counted"
probe f vcan0 --listen 123 --count
expect f.log '^up'
kill -STOP "$pid_f"
cangen vcan0 -g 0 -I 123 -L 8 -D i -n 30000
kill -CONT "$pid_f"
sleep 0.5
cansend vcan0 123#3075000000000000
settled 30001
check "some were lost" [ "$(figure overrun)" -gt 0 ]
forget f
