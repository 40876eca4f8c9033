/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/gtid_set.c - sets of transactions: add, contain
 *
 * Numbers come nearly always in order, so the last interval is tried before the others.
 */
#include "gtid_set.h"

void mys_gtid_set_init(struct mys_gtid_set *set, const struct outbox_host *host, bool mariadb)
{
    *set = (struct mys_gtid_set){.host = host, .mariadb = mariadb};
}

void mys_gtid_set_clear(struct mys_gtid_set *set)
{
    for (uint32_t i = 0; i < set->source_count; i++)
        set->host->release(set->host, set->sources[i].intervals);
    set->source_count = set->domain_count = 0;
    set->failed = false;
}

void mys_gtid_set_free(struct mys_gtid_set *set)
{
    if (!set->host)
        return;
    mys_gtid_set_clear(set);
    set->host->release(set->host, set->sources);
    set->host->release(set->host, set->domains);
    *set = (struct mys_gtid_set){.host = set->host, .mariadb = set->mariadb};
}

/* ---- MySQL ------------------------------------------------------------------------------------------------------- */

static int compare(const struct mys_source *a, const struct mys_source *b)
{
    int order = memcmp(a->uuid, b->uuid, MYS_UUID);
    return order ? order : strcmp(a->tag, b->tag);
}

static const struct mys_source_set *find(const struct mys_gtid_set *set, const struct mys_source *source)
{
    for (uint32_t i = 0; i < set->source_count; i++)
        if (!compare(&set->sources[i].source, source))
            return &set->sources[i];
    return NULL;
}

static struct mys_source_set *find_or_add(struct mys_gtid_set *set, const struct mys_source *source)
{
    uint32_t at = 0;
    while (at < set->source_count && compare(&set->sources[at].source, source) < 0)
        at++;
    if (at < set->source_count && !compare(&set->sources[at].source, source))
        return &set->sources[at];
    if (!obx_sql_grow(set->host, (void **)&set->sources, &set->source_room, set->source_count + 1,
                      sizeof *set->sources)) {
        set->failed = true;
        return NULL;
    }
    memmove(&set->sources[at + 1], &set->sources[at], (set->source_count - at) * sizeof *set->sources);
    set->source_count++;
    set->sources[at] = (struct mys_source_set){.source = *source};
    return &set->sources[at];
}

/* The first interval that ends at `first` or later. */
static uint32_t lower(const struct mys_source_set *source, uint64_t first)
{
    uint32_t low = 0, high = source->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (source->intervals[middle].after < first)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Those from `at` on that touch the new one become one with it. */
static void join(struct mys_source_set *source, uint32_t at, struct mys_interval added)
{
    uint32_t next = at;
    for (; next < source->count && source->intervals[next].first <= added.after; next++) {
        const struct mys_interval *old = &source->intervals[next];
        added.first = old->first < added.first ? old->first : added.first;
        added.after = old->after > added.after ? old->after : added.after;
    }
    memmove(&source->intervals[at + 1], &source->intervals[next], (source->count - next) * sizeof added);
    source->count -= next - at - 1;
    source->intervals[at] = added;
}

void mys_gtid_set_add_interval(struct mys_gtid_set *set, const struct mys_source *key, uint64_t first, uint64_t after)
{
    struct mys_source_set *source = find_or_add(set, key);
    if (!source || first >= after)
        return;
    struct mys_interval *last = source->count ? &source->intervals[source->count - 1] : NULL;
    if (last && first == last->after) {
        last->after = after;
        return;
    }
    if (!obx_sql_grow(set->host, (void **)&source->intervals, &source->room, source->count + 1, sizeof *last))
        set->failed = true;
    else
        join(source, lower(source, first), (struct mys_interval){first, after});
}

static bool source_covers(const struct mys_source_set *source, const struct mys_interval *part)
{
    uint32_t at = source ? lower(source, part->first + 1) : 0;
    return source && at < source->count && source->intervals[at].first <= part->first &&
           part->after <= source->intervals[at].after;
}

/* ---- MariaDB ----------------------------------------------------------------------------------------------------- */

static struct mys_domain *find_domain(const struct mys_gtid_set *set, uint32_t domain)
{
    for (uint32_t i = 0; i < set->domain_count; i++)
        if (set->domains[i].domain == domain)
            return &set->domains[i];
    return NULL;
}

static void add_domain(struct mys_gtid_set *set, const struct mys_gtid *gtid)
{
    struct mys_domain *domain = find_domain(set, gtid->domain);
    if (!domain && !obx_sql_grow(set->host, (void **)&set->domains, &set->domain_room, set->domain_count + 1,
                                 sizeof *set->domains)) {
        set->failed = true;
        return;
    }
    if (!domain) {
        domain = &set->domains[set->domain_count++];
        domain->number = 0;
    }
    if (gtid->number > domain->number) /* what is read again does not set it back */
        *domain = (struct mys_domain){gtid->domain, gtid->server, gtid->number};
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

void mys_gtid_set_add(struct mys_gtid_set *set, const struct mys_gtid *gtid)
{
    if (!gtid->number)
        return;
    if (set->mariadb)
        add_domain(set, gtid);
    else
        mys_gtid_set_add_interval(set, &gtid->source, gtid->number, gtid->number + 1);
}

bool mys_gtid_set_has(const struct mys_gtid_set *set, const struct mys_gtid *gtid)
{
    const struct mys_domain *domain = set->mariadb ? find_domain(set, gtid->domain) : NULL;
    const struct mys_interval number = {gtid->number, gtid->number + 1};
    if (!gtid->number)
        return false;
    if (set->mariadb)
        return domain && domain->number >= gtid->number;
    return source_covers(find(set, &gtid->source), &number);
}

static bool domains_cover(const struct mys_gtid_set *set, const struct mys_gtid_set *part)
{
    for (uint32_t i = 0; i < part->domain_count; i++) {
        const struct mys_domain *domain = find_domain(set, part->domains[i].domain);
        if (!domain || domain->number < part->domains[i].number)
            return false;
    }
    return true;
}

bool mys_gtid_set_covers(const struct mys_gtid_set *set, const struct mys_gtid_set *part)
{
    if (set->mariadb)
        return domains_cover(set, part);
    for (uint32_t i = 0; i < part->source_count; i++) {
        const struct mys_source_set *source = find(set, &part->sources[i].source);
        for (uint32_t k = 0; k < part->sources[i].count; k++)
            if (!source_covers(source, &part->sources[i].intervals[k]))
                return false;
    }
    return true;
}

void mys_gtid_set_copy(struct mys_gtid_set *to, const struct mys_gtid_set *from)
{
    mys_gtid_set_clear(to);
    to->mariadb = from->mariadb;
    for (uint32_t i = 0; i < from->domain_count; i++)
        add_domain(to, &(struct mys_gtid){.mariadb = true,
                                          .domain = from->domains[i].domain,
                                          .server = from->domains[i].server,
                                          .number = from->domains[i].number});
    for (uint32_t i = 0; i < from->source_count; i++)
        for (uint32_t k = 0; k < from->sources[i].count; k++)
            mys_gtid_set_add_interval(to, &from->sources[i].source, from->sources[i].intervals[k].first,
                                      from->sources[i].intervals[k].after);
    to->failed |= from->failed;
}
