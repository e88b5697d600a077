/* Images of meter firmware: files in the gateway's update folder. */
#ifndef MG_RUN_UPDATE_H
#define MG_RUN_UPDATE_H

#include "model/logbook.h"
#include "run/gateway_priv.h"

#define MG_UPDATE_MAX (1U << 20)

/** Read the file that the task's first argument names into task->text: SHA-256
 *  of the image, the image, its signature of 64 bytes.
 *  @return MG_OK or a code with err (no folder configured, a name with a slash,
 *          no such file, too large) */
int mg_update_load(struct task *task, struct mg_err *err);

/** An event of an update in the log book, with hash and version of the software
 *  that runs and the version of the image. */
void mg_update_log(struct task *task, enum mg_log_event event);

#endif
