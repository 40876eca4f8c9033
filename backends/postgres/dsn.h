/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/dsn.h - for dsn.c, dsn_check.c and hosts.c, which are one target (target.h) */
#ifndef OBX_BACKENDS_POSTGRES_DSN_H
#define OBX_BACKENDS_POSTGRES_DSN_H

#include "target.h"

/* The value of a keyword, else that of a variable of the environment; NULL: neither. */
const char *pg_dsn_value(const struct pg_target *target, const char *keyword, const char *variable);

/* hosts.c */
unsigned pg_dsn_items(const char *list); /* of a list with commas */
bool pg_candidate_is_local(const struct pg_candidate *candidate);
void pg_target_list_candidates(struct pg_target *target); /* without addresses of names */

/* dsn_check.c */
int pg_dsn_check_scheme(const char *dsn, struct outbox_error *error);
int pg_dsn_check(const struct pg_target *target, struct outbox_error *error); /* the values */
int pg_dsn_refuse(const char *why, struct outbox_error *error); /* why: of libpq, which has not parsed it */

#endif
