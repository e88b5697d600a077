/* What happened to the station itself while no gateway ran: another software,
 * signing switched on or off. Told to the log book at the start. */
#ifndef MG_RUN_ACTIVATION_H
#define MG_RUN_ACTIVATION_H

#include "run/gateway_priv.h"

/** FirmwareInstalled with what ran before, StationActivated when that has
 *  changed. After mg_logbook_load. */
void mg_activation_load(struct mg_gateway *gateway);

#endif
