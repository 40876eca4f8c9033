/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/relay/fixture_log.c - the in-memory store reads a log: the stored position, the spool, the contract */
#include "base/mem.h"
#include "fixture_internal.h"

void fixture_log(void)
{
    fixture_store_plugin.caps |= OUTBOX_CAP_LOG;
}

bool fixture_is_log(void)
{
    return fixture_store_plugin.caps & OUTBOX_CAP_LOG;
}

static bool waits_in_spool(const struct fixture_row *row)
{
    return row->spooled && !row->gone && !row->dead_lettered;
}

static bool any_in_spool(uint64_t above)
{
    for (uint64_t id = above + 1; id <= the_fixture->low; id++)
        if (waits_in_spool(&the_fixture->rows[id - 1]))
            return true;
    return false;
}

void fixture_log_claim(struct outbox_claim *claim)
{
    claim->result =
        (the_fixture->relieve ? OUTBOX_CLAIMED_RELIEVE : 0u) | (the_fixture->behind ? OUTBOX_CLAIMED_BEHIND : 0u);
    claim->log_percent = the_fixture->log_percent;
    claim->log_bytes = the_fixture->log_percent * 1000ull;
    the_fixture->measures += claim->flags & OUTBOX_CLAIM_MEASURE ? 1 : 0;
    for (uint32_t i = 0; i < claim->position_count; i++)
        cr_assert(the_fixture->rows[claim->positions[i].major - 1].spooled, "row %llu is claimed from the log",
                  (unsigned long long)claim->positions[i].major);
    if (claim->flags & OUTBOX_CLAIM_REWIND) {
        the_fixture->rewinds++;
        the_fixture->spool_at = 0;
        the_fixture->log_at = the_fixture->low;
    }
    bool reads_spool =
        the_fixture->spool_at != UINT64_MAX && !(claim->flags & (OUTBOX_CLAIM_LOG_ONLY | OUTBOX_CLAIM_MEASURE));
    the_fixture->claims_spool = reads_spool && any_in_spool(the_fixture->spool_at);
    if (reads_spool && !the_fixture->claims_spool)
        the_fixture->spool_at = UINT64_MAX; /* until the next rewind */
}

bool fixture_log_wants(const struct outbox_claim *claim, const struct fixture_row *row)
{
    if (claim->flags & OUTBOX_CLAIM_MEASURE)
        return false;
    if (claim->positions)
        return true;
    if (the_fixture->claims_spool)
        return row->spooled && row->id > the_fixture->spool_at;
    return row->id > the_fixture->log_at && !row->settled;
}

uint32_t fixture_log_took(const struct fixture_row *row)
{
    if (!the_fixture->claims_spool) {
        cr_assert(row->id > the_fixture->low && !row->spooled);
        the_fixture->log_at = row->id;
        return 0;
    }
    the_fixture->spool_at = row->id;
    return OUTBOX_BATCH_SPOOLED | OUTBOX_BATCH_MORE;
}

void fixture_log_pass(uint64_t low)
{
    if (!low)
        return;
    cr_assert_geq(low, the_fixture->low, "the position goes back");
    for (uint64_t id = the_fixture->low + 1; id <= low; id++) {
        struct fixture_row *row = &the_fixture->rows[id - 1];
        cr_assert(row->settled || row->spooled || row->dead_lettered, "row %llu is passed", (unsigned long long)id);
        row->gone = row->gone || (row->settled && !row->spooled && id != the_fixture->unremovable);
    }
    the_fixture->low = low;
}

void fixture_log_spool(void *self, outbox_op_t op, const struct outbox_spool *spool)
{
    uint64_t last = 0;
    if (fixture_fails(self, op, FIXTURE_SPOOL))
        return;
    for (uint32_t s = 0; s < spool->span_count; s++) {
        for (uint32_t i = 0; i < spool->spans[s].count; i++) {
            uint64_t id = spool->spans[s].batch->positions[spool->spans[s].first + i].major;
            cr_assert(id > last && id > the_fixture->low);
            the_fixture->rows[id - 1].spooled = true;
            if (id == the_fixture->spool_refuses) {
                the_fixture->rows[id - 1].dead_lettered = true;
                ++*spool->refused;
            }
            last = id;
        }
    }
    cr_assert_geq(spool->low.major, last);
    fixture_log_pass(spool->low.major);
    fixture_done(self, op);
}
