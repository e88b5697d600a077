"""An independent MQTT 5 client for tests, driven by lines.

mqtt_peer.py PORT FILTER...: prints "ready", then each message that comes as
topic TAB qos TAB retain TAB correlation (hex) TAB content type TAB payload.
Reads commands from stdin, as fields between tabs:
pub TOPIC RETAIN RESPONSE-TOPIC CORRELATION-HEX EXPIRY-S PAYLOAD-HEX
"""
import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

ready = threading.Event()


def on_connect(client, *_):
    client.subscribe([(topic, 1) for topic in sys.argv[2:]])


def on_subscribe(*_):
    if not ready.is_set():
        ready.set()
        print("ready", flush=True)


def on_message(_client, _userdata, message):
    correlation = getattr(message.properties, "CorrelationData", b"")
    kind = getattr(message.properties, "ContentType", "")
    payload = message.payload.decode("utf-8", "replace")
    print(message.topic, message.qos, int(message.retain), correlation.hex(),
          kind, payload, sep="\t", flush=True)


def publish(client, topic, retain, response, correlation, expiry, payload):
    properties = Properties(PacketTypes.PUBLISH)
    if response:
        properties.ResponseTopic = response
    if correlation:
        properties.CorrelationData = bytes.fromhex(correlation)
    if expiry:
        properties.MessageExpiryInterval = int(expiry)
    client.publish(topic, bytes.fromhex(payload), qos=1, retain=retain == "1",
                   properties=properties)


def main():
    client = mqtt.Client(protocol=mqtt.MQTTv5)
    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    client.reconnect_delay_set(1, 1)
    client.connect("127.0.0.1", int(sys.argv[1]))
    client.loop_start()
    for line in sys.stdin:
        fields = line.rstrip("\n").split("\t")
        if fields[0] == "pub":
            publish(client, *fields[1:])


main()
