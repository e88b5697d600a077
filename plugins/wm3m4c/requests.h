/* Requests, answers and sentences of the driver's procedures. */
#ifndef WM3M4C_REQUESTS_H
#define WM3M4C_REQUESTS_H

#include "metergate/plugin.h"

#define WM3M4C_REGISTERS_MAX 120 /* of one request; manual V1.07, 5.5.7 */

/** Fail with a sentence that starts like this. */
void wm3m4c__fail(struct mg_step_out *out, int code, const char *text);

/** Go on with the sentence; what does not fit is cut. */
void wm3m4c__say(struct mg_step_out *out, const char *text);
void wm3m4c__say_number(struct mg_step_out *out, int64_t number);

/** "exception 2 (no such register) when register 47073 was written"
 *  @param request  what was asked */
void wm3m4c__say_refused(struct mg_step_out *out, uint8_t exception,
                         const struct mg_step_out *request);

/** "register 47073" of a request, whose address is the number - 40000, or
 *  - 30000 for input registers. */
void wm3m4c__say_register(struct mg_step_out *out,
                          const struct mg_step_out *request);

/** FC03 or FC04. */
void wm3m4c__read(struct mg_step_out *out, uint8_t function, uint16_t address,
                  uint16_t count);

/** FC06 for one register, FC16 for several. */
void wm3m4c__write(struct mg_step_out *out, uint16_t address,
                   const uint16_t *values, uint16_t count);

/** FC16 with bytes, high first; the low byte of the last register is 0 when
 *  there is an odd number of them.
 *  @param len  1 .. 2 * WM3M4C_REGISTERS_MAX */
void wm3m4c__write_bytes(struct mg_step_out *out, uint16_t address,
                         const uint8_t *bytes, size_t len);

/** The data of an answer to wm3m4c__read, after its byte count.
 *  @return NULL: not so many registers of this function */
const uint8_t *wm3m4c__answer(const struct mg_step_in *in, uint8_t function,
                              uint16_t count);

/** Whether this is the answer to wm3m4c__write or wm3m4c__write_bytes. */
bool wm3m4c__is_written(const struct mg_step_in *in,
                        const struct mg_step_out *request);

/** Put a good value into the answer; one more than fit is dropped. */
void wm3m4c__value(struct mg_step_out *out, mg_channel channel, int64_t value,
                   int64_t resolution);

#endif
