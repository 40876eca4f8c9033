/* SPDX-License-Identifier: Apache-2.0 */
/* program/daemon/notify.h - telling systemd how we are, by its plain datagram protocol; nothing without $NOTIFY_SOCKET
 */
#ifndef OBX_PROGRAM_DAEMON_NOTIFY_H
#define OBX_PROGRAM_DAEMON_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* e.g. "READY=1\nSTATUS=relaying". Never blocks; what cannot be sent is lost. False when there is nobody to tell. */
bool obx_notify(const char *text);
/* RELOADING=1 with the time that systemd wants beside it. */
void obx_notify_reloading(void);
/* How often WATCHDOG=1 is expected at most, halved; 0: not at all. */
uint64_t obx_notify_watchdog_ns(void);

#endif
