/* CRC-16 of Modbus RTU: polynomial 0xA001 reflected, start value 0xFFFF. */
#ifndef MG_WIRE_CRC16_H
#define MG_WIRE_CRC16_H

#include <stddef.h>
#include <stdint.h>

/** @return the checksum; its low byte goes over the wire first (Modbus over
 *  serial line V1.02, 2.5.1.2). Over a frame with its checksum it is 0. */
uint16_t mg_crc16(const uint8_t *data, size_t len);

#endif
