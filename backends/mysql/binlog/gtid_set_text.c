/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/gtid_set_text.c - sets of transactions as text, and as MySQL sends them
 *
 * MySQL's text: "uuid:1-5:7:tag:3,uuid:1"; a tag holds for the numbers after it. MariaDB's: "0-1-7,1-2-3". An empty
 * text is the empty set.
 */
#include "gtid_set.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- from text --------------------------------------------------------------------------------------------------- */

static void skip_space(const char **at)
{
    while (isspace((unsigned char)**at))
        (*at)++;
}

static bool take_digits(const char **at, uint64_t *number)
{
    char *end;
    if (!isdigit((unsigned char)**at))
        return false;
    *number = strtoull(*at, &end, 10);
    *at = end;
    return true;
}

static bool take_tag(const char **at, char tag[MYS_TAG])
{
    size_t size = 0;
    if (!isalpha((unsigned char)**at) && **at != '_')
        return false;
    while (size < MYS_TAG - 1 && (isalnum((unsigned char)**at) || **at == '_'))
        tag[size++] = (char)tolower((unsigned char)*(*at)++);
    tag[size] = '\0';
    return true;
}

/* "5", "5-9" or a tag. */
static bool take_interval(struct mys_gtid_set *set, const char **at, struct mys_source *source)
{
    uint64_t first, last;
    skip_space(at);
    if (take_tag(at, source->tag))
        return true;
    if (!take_digits(at, &first))
        return false;
    last = first;
    if (**at == '-' && (++*at, !take_digits(at, &last)))
        return false;
    if (!first || last < first || last == UINT64_MAX)
        return false;
    mys_gtid_set_add_interval(set, source, first, last + 1);
    return true;
}

static bool parse_source(struct mys_gtid_set *set, const char **at)
{
    struct mys_source source = {.tag = ""};
    if (strlen(*at) < 36 || !mys_uuid_parse(*at, source.uuid))
        return false;
    for (*at += 36; **at == ':';) {
        ++*at;
        if (!take_interval(set, at, &source))
            return false;
        skip_space(at);
    }
    return true;
}

static bool parse_domain(struct mys_gtid_set *set, const char **at)
{
    uint64_t domain, server;
    struct mys_gtid gtid = {.mariadb = true};
    if (!take_digits(at, &domain) || *(*at)++ != '-' || !take_digits(at, &server) || *(*at)++ != '-' ||
        !take_digits(at, &gtid.number))
        return false;
    gtid.domain = (uint32_t)domain;
    gtid.server = (uint32_t)server;
    mys_gtid_set_add(set, &gtid);
    return domain <= UINT32_MAX && server <= UINT32_MAX;
}

bool mys_gtid_set_parse(struct mys_gtid_set *set, const char *text)
{
    mys_gtid_set_clear(set);
    for (skip_space(&text); *text; skip_space(&text)) {
        if (set->mariadb ? !parse_domain(set, &text) : !parse_source(set, &text))
            return false;
        skip_space(&text);
        if (*text && *text++ != ',')
            return false;
    }
    return !set->failed;
}

/* ---- to text ----------------------------------------------------------------------------------------------------- */

static void print_domains(const struct mys_gtid_set *set, struct obx_sql_text *text)
{
    char piece[64];
    for (uint32_t i = 0; i < set->domain_count; i++) {
        const struct mys_domain *domain = &set->domains[i];
        snprintf(piece, sizeof piece, "%s%u-%u-%llu", i ? "," : "", domain->domain, domain->server,
                 (unsigned long long)domain->number);
        obx_sql_text_puts(text, piece);
    }
}

static void print_intervals(const struct mys_source_set *source, struct obx_sql_text *text)
{
    char piece[64];
    for (uint32_t i = 0; i < source->count; i++) {
        unsigned long long first = source->intervals[i].first, last = source->intervals[i].after - 1;
        if (first == last)
            snprintf(piece, sizeof piece, ":%llu", first);
        else
            snprintf(piece, sizeof piece, ":%llu-%llu", first, last);
        obx_sql_text_puts(text, piece);
    }
}

void mys_gtid_set_print(const struct mys_gtid_set *set, struct obx_sql_text *text)
{
    char uuid[37];
    bool first = true;
    print_domains(set, text);
    for (uint32_t i = 0; i < set->source_count; i++) {
        const struct mys_source_set *source = &set->sources[i];
        if (!source->count)
            continue;
        mys_uuid_print(source->source.uuid, uuid);
        obx_sql_text_puts(text, first ? "" : ",");
        obx_sql_text_puts(text, uuid);
        if (*source->source.tag) {
            obx_sql_text_puts(text, ":");
            obx_sql_text_puts(text, source->source.tag);
        }
        print_intervals(source, text);
        first = false;
    }
}

/* ---- as bytes ---------------------------------------------------------------------------------------------------- */

static void put(struct obx_sql_text *bytes, uint64_t number, unsigned size)
{
    char little[8];
    for (unsigned i = 0; i < size; i++, number >>= 8)
        little[i] = (char)number;
    obx_sql_text_add(bytes, little, size);
}

static bool has_tags(const struct mys_gtid_set *set)
{
    for (uint32_t i = 0; i < set->source_count; i++)
        if (*set->sources[i].source.tag)
            return true;
    return false;
}

/* With tags the count stands between two bytes that are 1, and a tag follows each identifier. */
void mys_gtid_set_encode(const struct mys_gtid_set *set, struct obx_sql_text *bytes)
{
    bool tagged = has_tags(set);
    uint64_t count = set->source_count;
    put(bytes, tagged ? UINT64_C(1) << 56 | count << 8 | 1 : count, 8);
    for (uint32_t i = 0; i < set->source_count; i++) {
        const struct mys_source_set *source = &set->sources[i];
        obx_sql_text_add(bytes, (const char *)source->source.uuid, MYS_UUID);
        if (tagged) {
            put(bytes, strlen(source->source.tag) << 1, 1);
            obx_sql_text_add(bytes, source->source.tag, strlen(source->source.tag));
        }
        put(bytes, source->count, 8);
        for (uint32_t k = 0; k < source->count; k++) {
            put(bytes, source->intervals[k].first, 8);
            put(bytes, source->intervals[k].after, 8);
        }
    }
}

static void decode_source(struct mys_gtid_set *set, struct mys_cursor *body, bool tagged)
{
    struct mys_source source = {.tag = ""};
    const unsigned char *uuid = mys_take(body, MYS_UUID);
    if (uuid)
        memcpy(source.uuid, uuid, MYS_UUID);
    uint64_t size = tagged ? mys_take_int(body, 1) >> 1 : 0;
    struct mys_cursor tag = mys_take_part(body, size);
    if (tag.bad || size >= MYS_TAG)
        body->bad = true;
    else
        memcpy(source.tag, tag.at, size);
    uint64_t count = mys_take_int(body, 8);
    for (uint64_t k = 0; k < count && !body->bad; k++) {
        uint64_t first = mys_take_int(body, 8), after = mys_take_int(body, 8);
        if (!first || first >= after)
            body->bad = true;
        else if (!body->bad)
            mys_gtid_set_add_interval(set, &source, first, after);
    }
}

bool mys_gtid_set_decode(struct mys_gtid_set *set, struct mys_cursor body)
{
    uint64_t head = mys_take_int(&body, 8);
    bool tagged = head >> 56 == 1;
    uint64_t count = tagged ? head >> 8 & 0xffffffffffff : head;
    for (uint64_t i = 0; i < count && !body.bad && !set->failed; i++)
        decode_source(set, &body, tagged);
    return !body.bad && !set->failed;
}
