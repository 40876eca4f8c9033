/* SPDX-License-Identifier: Apache-2.0 */
/* backends/postgres/check_facts.h - statements whose rows are findings: put() of probes, see sql_report_findings() */
#ifndef OBX_BACKENDS_POSTGRES_CHECK_FACTS_H
#define OBX_BACKENDS_POSTGRES_CHECK_FACTS_H

#include "store.h"

bool pg_put_acts(struct sql_request *request);            /* triggers, rules, foreign keys */
bool pg_put_locked(struct sql_request *request);          /* rows that another session has locked for a while */
bool pg_put_replication(struct sql_request *request);     /* publications, slots */
bool pg_put_foreign_deletes(struct sql_request *request); /* found by the owner */
bool pg_put_other_tables(struct sql_request *request);    /* that might be meant; and the encoding */

/* A query of one boolean: a row of this table has no identity that a published delete could carry. */
#define PG_LACKS_IDENTITY(oid)                                                                                        \
    "SELECT c.relreplident = 'n' OR (c.relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = " \
    "c.oid AND x.indisprimary AND x.indisvalid)) FROM pg_class c WHERE c.oid = " oid

#endif
