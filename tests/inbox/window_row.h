/* SPDX-License-Identifier: Apache-2.0 */
/* tests/inbox/window_row.h - level 2, of the databases that have it: postgres.c and mysql.c */
#ifndef OBX_TESTS_INBOX_WINDOW_ROW_H
#define OBX_TESTS_INBOX_WINDOW_ROW_H

#include <outbox/window.h>

#include "fixture.h"

int client_window_open(struct session *session, const struct outbox_window_place *place, struct outbox_window **window,
                       struct outbox_error *error);
int client_window_save(struct session *session, struct outbox_window *window, struct outbox_error *error);

#endif
