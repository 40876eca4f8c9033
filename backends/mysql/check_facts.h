/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/check_facts.h - statements whose rows are findings: put() of probes, see sql_report_findings() */
#ifndef OBX_BACKENDS_MYSQL_CHECK_FACTS_H
#define OBX_BACKENDS_MYSQL_CHECK_FACTS_H

#include "store.h"

bool mys_put_acts(struct sql_request *request);            /* triggers, foreign keys */
bool mys_put_locked(struct sql_request *request);          /* rows that another session has locked */
bool mys_put_foreign_deletes(struct sql_request *request); /* found by the owner */
bool mys_put_charsets(struct sql_request *request);        /* of columns that cannot hold every text */
bool mys_put_other_tables(struct sql_request *request);    /* that might be meant */

#endif
