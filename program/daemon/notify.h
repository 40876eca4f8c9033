/* SPDX-License-Identifier: Apache-2.0 */
/* program/daemon/notify.h - reports state to systemd by its datagram protocol; without $NOTIFY_SOCKET it does nothing
 */
#ifndef OBX_PROGRAM_DAEMON_NOTIFY_H
#define OBX_PROGRAM_DAEMON_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Send e.g. "READY=1\nSTATUS=relaying". Never blocks. False if there is no socket, or the datagram was not sent. */
bool obx_notify(const char *text);
/* Send RELOADING=1 with the monotonic time, which systemd requires. */
void obx_notify_reloading(void);
/* Half of the interval in which systemd expects WATCHDOG=1; 0: it expects none. */
uint64_t obx_notify_watchdog_ns(void);

#endif
