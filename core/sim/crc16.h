/* CRC-16 of Modbus RTU frames (Modbus over Serial Line V1.02, 6.2.2). The
 * simulated meters have their own, so that a wrong one in the client engine
 * cannot hide behind the same wrong one here. */
#ifndef MG_SIM_CRC16_H
#define MG_SIM_CRC16_H

#include <stddef.h>
#include <stdint.h>

/** Low byte goes onto the wire first. */
uint16_t mg_sim_crc16(const uint8_t *data, size_t len);

#endif
