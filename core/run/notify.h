/* systemd's notification protocol: one datagram to $NOTIFY_SOCKET. */
#ifndef MG_RUN_NOTIFY_H
#define MG_RUN_NOTIFY_H

/** Send e.g. "READY=1\nSTATUS=48/50 meters online". Does nothing when not
 *  started by systemd; a lost notification is not worth an error. */
void mg_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
