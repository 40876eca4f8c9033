/* SPDX-License-Identifier: Apache-2.0 */
/* program/daemon/signals.h - the signals of a service at its edges: before its loop takes them, and after */
#ifndef OBX_PROGRAM_DAEMON_SIGNALS_H
#define OBX_PROGRAM_DAEMON_SIGNALS_H

/* Of any verb: whoever started the program may have had SIGTERM and SIGINT blocked, and nothing else would end it. */
void obx_signals_admit(void);

/* Nothing was begun yet: SIGTERM and SIGINT end the process with 0, SIGHUP waits for obx_signals_serving(). */
void obx_signals_starting(void);
void obx_signals_serving(void);

/* All is given back: the former two end it with 0, SIGHUP is ignored. */
void obx_signals_ending(void);

#endif
