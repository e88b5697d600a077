# Frames over two controllers, filters, CAN FD, and what does not belong there.

for card in can0 can1; do
    ip link set "$card" down
    ip link set "$card" type can bitrate 500000 restart-ms 0
    ip link set "$card" up
done
ip link set vcan0 down
ip link set vcan0 mtu 72
ip link set vcan0 up

say "in: standard and extended; the same number in the other kind is foreign"
probe a can0 --listen 123 --listen 123x --listen 1ABCDEF0x
expect a.log '^up'
cansend can1 122#00
cansend can1 123#1122334455667788
cansend can1 123#
cansend can1 00000123#AA
cansend can1 1ABCDEF0#01
cansend can1 1ABCDEF1#02
cansend can1 123#R
cansend can1 123#FF
expect a.log '^frame 123 FF'
cat >wanted <<'END'
up
frame 123 1122334455667788
frame 123 
frame 123x AA
frame 1ABCDEF0x 01
frame 123 FF
END
check "what was listened to, in order" cmp wanted a.log
tell a stats
expect a.log '^stats received=5 foreign=0 ' # the kernel filters

say "a new listener: a new filter"
tell a 'listen 122'
sleep 0.2
cansend can1 122#0102
expect a.log '^frame 122 0102'
tell a stats
expect a.log '^stats .* opens=2 '

say "out: candump sees it"
candump -n 3 -L can1 >dump.log & # written when the third has come
dump=$!
sleep 0.3
tell a 'send 321#0102030405060708'
tell a 'send 1FFFFFFFx#'
tell a 'send 7ff#AABB'
wait "$dump"
expect dump.log ' can1 7FF#AABB'
expect dump.log ' can1 321#0102030405060708'
expect dump.log ' can1 1FFFFFFF#'
tell a 'send 321##00'
expect a.log '^sent: not supported' # FD on a classic bus
forget a

say "more than 512 identifiers: the engine filters"
probe many can0 --many 600
expect many.log '^up'
cansend can1 00000257#77 # 599
cansend can1 00000258#88 # one too many
cansend can1 00000000#99
expect many.log '^frame 0x 99'
never many.log ' 88'
expect many.log '^frame 257x 77'
tell many stats
expect many.log '^stats received=3 foreign=1 '
forget many

say "CAN FD on vcan0; an interface for classic frames only"
probe fd vcan0 --fd --listen 123
expect fd.log '^up'
cansend vcan0 123##1112233445566778899AABBCC
expect fd.log '^frame 123 fd brs 112233445566778899AABBCC'
cansend vcan0 123#1234
expect fd.log '^frame 123 1234'
candump -n 1 -L vcan0 >fddump.log &
dump=$!
sleep 0.3
tell fd 'send 5##00112233445566778899AABBCCDDEEFF'
wait "$dump"
expect fddump.log ' vcan0 005##[04]00112233445566778899AABBCCDDEEFF'
forget fd
probe nofd can0 --fd
expect nofd.log '^down: can0: takes no CAN FD frames'
forget nofd

say "garbage: error frames that anybody may write, odd lengths"
probe g vcan0 --fd --listen 0 --listen 123
expect g.log '^up'
cansend vcan0 20000204#0004000000006103 # the controller warns
expect g.log '^state error-warning tx 97 rx 3'
cansend vcan0 20000204#0020000000008000
expect g.log '^state error-passive tx 128 rx 0'
cansend vcan0 20000004#0001000000000000 # its buffer ran over
expect g.log '^overrun 1'
cansend vcan0 20000100#0000000000000000
expect g.log '^state error-active'
for junk in 20000244# 20000244#00 3FFFFFFF#FFFF 20000088#0020040A00000909 \
    20000000#0000000000000000; do
    cansend vcan0 "$junk"
done
cansend vcan0 20000040#0000000000000000 # bus-off
expect g.log '^state bus-off'
expect g.log '^down: the controller is bus-off'
n=50
until [ "$(grep -c '^up' g.log)" = 2 ]; do
    n=$((n - 1))
    check "it recovers" [ "$n" -gt 0 ]
    sleep 0.1
done
cansend vcan0 123#42
expect g.log '^frame 123 42'
forget g
