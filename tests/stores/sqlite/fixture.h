/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sqlite/fixture.h - a separate database for each test, stores over it, and other processes
 *
 * Helpers assert their own success. Tests check the database with SQL, on a connection that is opened for each query.
 */
#ifndef OBX_TESTS_STORES_SQLITE_FIXTURE_H
#define OBX_TESTS_STORES_SQLITE_FIXTURE_H

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <sys/types.h>

#include "loop_fixture.h"
#include "mem_fault.h"

struct fixture {
    struct loop_fixture base;
    struct obx_instance *store; /* the first; fixture_close() stops and frees it */
    char dir[64];
    char path[96];             /* the database */
    struct outbox_error error; /* of the last operation */
};

/* extra: more lines of the section `store:`, each as "  key: value\n". No file is made yet. */
void fixture_open(struct fixture *fixture, const char *extra);
/* The same, with the tables, started and, with fixture_own(), the owner. */
void fixture_ready(struct fixture *fixture, const char *extra);
void fixture_own(struct fixture *fixture);
void fixture_close(struct fixture *fixture); /* and requires that nothing is left */

struct obx_instance *fixture_another(struct fixture *fixture); /* the caller's to drop */
void fixture_drop(struct fixture *fixture, struct obx_instance *store);

int fixture_setup(struct fixture *fixture);
int fixture_start(struct fixture *fixture, struct obx_instance *store); /* with the columns of enum fixture_column */
int fixture_acquire(struct fixture *fixture, struct obx_instance *store, uint32_t lease_ms,
                    struct outbox_acquire *acquire);
int fixture_renew(struct fixture *fixture, struct obx_instance *store);
int fixture_settle(struct fixture *fixture, struct outbox_batch *batch, uint32_t first, uint32_t count);
int fixture_dead_letter(struct fixture *fixture, uint64_t id, const char *key, const char *reason);
int fixture_status(struct fixture *fixture, struct outbox_store_status *status);
int fixture_dead(struct fixture *fixture, struct outbox_dead *dead);

enum fixture_column { FIXTURE_EVENT_ID, FIXTURE_PAYLOAD, FIXTURE_CREATED_AT, FIXTURE_COLUMNS };
/* Up to 100000 rows; NULL: none. It must succeed. */
struct outbox_batch *fixture_claim(struct fixture *fixture, uint32_t flags);
int fixture_claim_code(struct fixture *fixture, struct outbox_batch **batch);
void fixture_release(struct fixture *fixture, struct outbox_batch *batch);
/* The ids of a batch as "1 2 5"; "" for NULL. Valid until the next call. */
const char *fixture_ids(const struct outbox_batch *batch);

void fixture_sql(const char *path, const char *sql);
int64_t fixture_number(const char *path, const char *sql);
const char *fixture_text(const char *path, const char *sql);  /* valid until the next call */
void fixture_insert(const struct fixture *fixture, int rows); /* one transaction */

/* Assert code and exact text of fixture->error; %s in the format is usually the path. */
void fixture_expect(const struct fixture *fixture, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Another process, which runs until it returns or is killed. It must open its own connections. fixture_link_notify()
 * lets the waiting parent continue; it may be called again for fixture_child_wait().
 */
struct fixture_child {
    pid_t pid;
    int pipe;    /* child to parent */
    int command; /* parent to child; closed: time to end */
};
struct fixture_link {
    const char *path;
    int notify, command;
};
void fixture_child_start(struct fixture_child *child, const char *path, void (*run)(struct fixture_link *link));
void fixture_child_wait(struct fixture_child *child);
void fixture_child_go(struct fixture_child *child); /* lets fixture_link_wait() in the child return */
int fixture_child_end(struct fixture_child *child); /* its exit code, or -1 */
void fixture_link_notify(struct fixture_link *link);
void fixture_link_wait(struct fixture_link *link);

#endif
