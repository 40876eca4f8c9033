/* tests/sqlite/lock_test.c - how the relay holds the write lock, and what it leaves to others; checkpoints ahead */
#include "rig.h"
#include "shim.h"

#define ROWS 60000
#define FIRST_ROWS 256u   /* of the first transaction of a start */
#define MOST_ROWS 8192u   /* of any */
#define LEAVE_NS 2300000u /* longer than a writer sleeps between its second and its third look */

/* 8,000 pages: several logs. */
static struct outbox_batch *prepare(struct rig *rig)
{
    shim_install();
    rig_ready(rig, NULL);
    cr_assert_eq(harness_stop(&rig->harness, rig->store, NULL), 0);
    rig_sql(rig->path, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) "
                       "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) "
                       "SELECT 'order', i, 'Placed', zeroblob(500) FROM n; PRAGMA wal_checkpoint(TRUNCATE)");
    shim_reset();
    cr_assert_eq(rig_start(rig, rig->store), 0, "%s", rig->error.text);
    rig_own(rig);
    struct outbox_batch *batch = rig_claim(rig, 0);
    cr_assert_eq(batch->rows, ROWS);
    return batch;
}

static void end(struct rig *rig, struct outbox_batch *batch)
{
    rig_release(rig, batch);
    cr_assert_eq(rig_number(rig->path, "SELECT count(*) FROM outbox"), 0);
    cr_assert_str_eq(rig_text(rig->path, "PRAGMA integrity_check"), "ok");
    rig_close(rig);
}

/* What a writer's wait is bounded by: the work of one transaction, which grows only as fast as was learned and never
 * without end; the pause behind each, whoever has the lock; and no flush of the database inside. */
Test(sqlite_lock, is_held_for_little_and_then_left)
{
    struct rig rig;
    const struct shim_hold *holds;
    uint32_t removed = 0, most = FIRST_ROWS, transactions = 0;
    uint64_t last = 0;
    struct outbox_batch *batch = prepare(&rig);
    cr_assert_eq(rig_settle(&rig, batch, 0, ROWS), 0, "%s", rig.error.text);
    uint32_t count = shim_holds(&holds);
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_eq(holds[i].database_syncs, 0, "hold %u", i);
        if (!holds[i].removed)
            continue; /* becoming the owner */
        cr_assert_leq(holds[i].removed, most, "hold %u", i);
        cr_assert(!last || holds[i].begin_ns >= last + LEAVE_NS, "hold %u came too early", i);
        last = holds[i].end_ns;
        removed += holds[i].removed;
        most = holds[i].removed * 2 < MOST_ROWS ? holds[i].removed * 2 : MOST_ROWS;
        transactions++;
    }
    cr_assert_eq(removed, ROWS);
    cr_assert_geq(transactions, ROWS / MOST_ROWS);
    end(&rig, batch);
}

/* The descriptor whose flush failed is used for no checkpoint any more; the others do its work. */
Test(sqlite_lock, goes_on_when_a_checkpoint_ahead_fails)
{
    struct rig rig;
    struct outbox_batch *batch = prepare(&rig);
    shim_fail_sync(3); /* start opens one for claims, one for what is written, one for this */
    cr_assert_eq(rig_settle(&rig, batch, 0, ROWS), 0, "%s", rig.error.text);
    end(&rig, batch);
    cr_assert_eq(shim_failed_syncs(), 1);
}
