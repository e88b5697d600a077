# Our ISO-TP against the kernel's.

for card in can0 can1; do
    ip link set "$card" down
    ip link set "$card" type can bitrate 500000
    ip link set "$card" up
done

# bytes N: so many, in hexadecimal
bytes() {
    i=0
    while [ "$i" -lt "$1" ]; do
        printf '%02X' $(((i * 7 + 1) % 256))
        i=$((i + 1))
    done
}

probe a can0 --isotp 6A1,621
expect a.log '^up'
for length in 1 7 8 15 300 4095; do
    say "$length bytes, both ways"
    text=$(bytes "$length")
    isotprecv -s 6A1 -d 621 -b 4 can1 >"got.$length" &
    receiver=$!
    sleep 0.5
    tell a "isotp $text"
    wait "$receiver"
    check "the kernel has $length bytes" \
        [ "$(tr -d ' \n' <"got.$length")" = "$text" ]
    echo "$text" | sed 's/../& /g' | isotpsend -s 6A1 -d 621 can1
    expect a.log "^message $length $text\$"
done
check "each was sent" [ "$(grep -c '^message sent: ok' a.log)" = 6 ]
never a.log '^message failed'

say "nobody answers: said"
tell a "isotp $(bytes 20)"
expect a.log '^message sent: .*N_Bs'
forget a
