/* node decode.js MODULES FILE.dbc < FRAMES: the frames as candied reads them.
 *
 * Reads lines "<id in hex> <data in hex>", prints one line of JSON for each:
 * every signal of the message with its raw value, factor, offset and limits.
 *
 * Candied takes the start bit of a Motorola signal for its lowest bit, where
 * the format means the highest: it is converted here, and nothing else is. */
"use strict";
const fs = require("fs");
const path = require("path");
const { Dbc, Can } = require(path.join(process.argv[2], "candied"));

/* Count bits as they are on the wire, go on by the length, and count back. */
function lowestBit(signal) {
  const flip = (bit) => 8 * Math.floor(bit / 8) + 7 - (bit % 8);
  return flip(flip(signal.startBit) + signal.length - 1);
}

function main() {
  const data = new Dbc().load(fs.readFileSync(process.argv[3], "latin1"));
  const messages = new Map();
  for (const message of data.messages.values()) {
    messages.set(message.id, message);
    for (const signal of message.signals.values()) {
      if (signal.endian === "Motorola") {
        signal.startBit = lowestBit(signal);
      }
    }
  }
  const can = new Can();
  for (const line of fs.readFileSync(0, "latin1").trim().split("\n")) {
    const [id, hex] = line.split(" ");
    const message = messages.get(parseInt(id, 16));
    const payload = Array.from(Buffer.from(hex, "hex"));
    const values = {};
    for (const signal of message.signals.values()) {
      const bound = can.decodeSignal(payload, signal);
      values[signal.name] = {
        raw: bound.rawValue, value: bound.value, multiplex: signal.multiplex,
        factor: signal.factor, offset: signal.offset, type: signal.dataType,
        min: signal.min, max: signal.max, unit: signal.unit,
      };
    }
    console.log(JSON.stringify(values));
  }
}

main();
