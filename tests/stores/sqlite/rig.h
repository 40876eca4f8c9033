/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/stores/sqlite/rig.h - a database of its own for each test, stores over it, and other processes beside them
 *
 * Every helper that must not fail asserts that it does not. What a test checks of the database it asks with SQL
 * through a connection that is opened for the question.
 */
#ifndef OBX_TESTS_STORES_SQLITE_RIG_H
#define OBX_TESTS_STORES_SQLITE_RIG_H

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <sys/types.h>

#include "harness.h"
#include "mem_fault.h"

struct rig {
    struct harness harness;
    struct obx_instance *store; /* the first; rig_close() stops and frees it */
    char dir[64];
    char path[96];             /* the database */
    struct outbox_error error; /* of the last operation */
};

/* extra: more lines of the section `store:`, each as "  key: value\n". No file is made yet. */
void rig_open(struct rig *rig, const char *extra);
/* The same, with the tables, started and, with rig_own(), the owner. */
void rig_ready(struct rig *rig, const char *extra);
void rig_own(struct rig *rig);
void rig_close(struct rig *rig); /* and requires that nothing is left */

struct obx_instance *rig_another(struct rig *rig); /* the caller's to drop */
void rig_drop(struct rig *rig, struct obx_instance *store);

int rig_setup(struct rig *rig);
int rig_start(struct rig *rig, struct obx_instance *store); /* with the columns of enum rig_column */
int rig_acquire(struct rig *rig, struct obx_instance *store, uint32_t lease_ms, struct outbox_acquire *acquire);
int rig_renew(struct rig *rig, struct obx_instance *store);
int rig_settle(struct rig *rig, struct outbox_batch *batch, uint32_t first, uint32_t count);
int rig_park(struct rig *rig, uint64_t id, const char *key, const char *reason);
int rig_status(struct rig *rig, struct outbox_store_status *status);
int rig_dead(struct rig *rig, struct outbox_dead *dead);

enum rig_column { RIG_EVENT_ID, RIG_PAYLOAD, RIG_CREATED_AT, RIG_COLUMNS };
/* Up to 100000 rows; NULL: none. It must succeed. */
struct outbox_batch *rig_claim(struct rig *rig, uint32_t flags);
int rig_claim_code(struct rig *rig, struct outbox_batch **batch);
void rig_release(struct rig *rig, struct outbox_batch *batch);
/* The ids of a batch as "1 2 5"; "" for NULL. Valid until the next call. */
const char *rig_ids(const struct outbox_batch *batch);

void rig_sql(const char *path, const char *sql);
int64_t rig_number(const char *path, const char *sql);
const char *rig_text(const char *path, const char *sql); /* valid until the next call */
void rig_insert(const struct rig *rig, int rows);        /* one transaction */

/* Assert code and exact text of rig->error; %s in the format is usually the path. */
void rig_expect(const struct rig *rig, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/*
 * Another process, which runs until it returns or is killed. It must open its own connections. tell() lets the
 * parent go on, which waits for that; it may be called again for rig_child_hear().
 */
struct rig_child {
    pid_t pid;
    int pipe;    /* child to parent */
    int command; /* parent to child; closed: time to end */
};
struct rig_link {
    const char *path;
    int tell, command;
};
void rig_child_start(struct rig_child *child, const char *path, void (*run)(struct rig_link *link));
void rig_child_hear(struct rig_child *child);
void rig_child_go(struct rig_child *child); /* lets rig_link_wait() in the child return */
int rig_child_end(struct rig_child *child); /* its exit code, or -1 */
void rig_link_tell(struct rig_link *link);
void rig_link_wait(struct rig_link *link);

#endif
