"""A broker that speaks MQTT 3.1.1 only: refuses version 5 and hands everything
else on to a real one.

mqtt_old_broker.py PORT BROKER-PORT REFUSAL-HEX
"""
import select
import socket
import sys

PORT, UPSTREAM, REFUSAL = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


def protocol_level(packet):
    """Behind the fixed header: 0 4 M Q T T, then the level."""
    at = packet.find(b"MQTT")
    return packet[at + 4] if at >= 0 and len(packet) > at + 4 else 0


def hand_on(client, first):
    upstream = socket.create_connection(("127.0.0.1", UPSTREAM))
    upstream.sendall(first)
    other = {client: upstream, upstream: client}
    while True:
        for side in select.select([client, upstream], [], [])[0]:
            data = side.recv(65536)
            if not data:
                upstream.close()
                return
            other[side].sendall(data)


def main():
    listener = socket.create_server(("127.0.0.1", PORT))
    while True:
        client = listener.accept()[0]
        with client:
            first = client.recv(65536)
            if protocol_level(first) == 5:
                client.sendall(bytes.fromhex(REFUSAL))
            elif first:
                hand_on(client, first)


main()
