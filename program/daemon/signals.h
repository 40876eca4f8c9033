/* SPDX-License-Identifier: Apache-2.0 */
/* program/daemon/signals.h - signals of a service before its event loop handles them, and after */
#ifndef OBX_PROGRAM_DAEMON_SIGNALS_H
#define OBX_PROGRAM_DAEMON_SIGNALS_H

/* During the start: SIGTERM and SIGINT end the process with exit code 0. SIGHUP stays pending until
 * obx_signals_serving(). */
void obx_signals_starting(void);
void obx_signals_serving(void);

/* After the relays have stopped: SIGTERM and SIGINT end the process with exit code 0, SIGHUP is ignored. */
void obx_signals_ending(void);

#endif
