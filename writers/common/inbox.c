/* SPDX-License-Identifier: Apache-2.0 */
/* writers/common/inbox.c - see inbox.h. All refusals here happen before any statement is sent. */
#include "inbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <outbox/plugin_util.h>

struct inbox_attempt inbox_attempt(const char *consumer)
{
    struct inbox_attempt attempt;
    snprintf(attempt.text, sizeof attempt.text, "take the events of consumer %.*s", INBOX_CONSUMER_MAX,
             consumer ? consumer : "NULL");
    return attempt;
}

bool inbox_name_is_valid(const char *name, size_t most)
{
    size_t size = strnlen(name, most + 1);
    for (size_t i = 0; i < size; i++)
        if (name[i] < '!' || name[i] > '~')
            return false;
    return size >= 1 && size <= most;
}

int inbox_check_arguments(const void *connection, const char *consumer, const struct outbox_bytes *ids, size_t count,
                          const bool *is_new, struct outbox_error *error)
{
    const char *missing = !connection ? "the connection" : !consumer ? "consumer" : NULL;
    if (count && !missing)
        missing = !ids ? "ids" : !is_new ? "is_new" : NULL;
    if (missing)
        return outbox_error_set(error, OUTBOX_E_INVALID, "%s: %s is NULL", inbox_attempt(consumer).text, missing);
    if (!inbox_name_is_valid(consumer, INBOX_CONSUMER_MAX))
        return outbox_error_set(error, OUTBOX_E_INVALID,
                                "take the events of a consumer: its name has 1 to %d printable ASCII characters "
                                "without spaces",
                                INBOX_CONSUMER_MAX);
    if (count > INBOX_IDS_MAX)
        return outbox_error_set(error, OUTBOX_E_INVALID, "%s: %zu ids in one call, at most %d; split the batch",
                                inbox_attempt(consumer).text, count, INBOX_IDS_MAX);
    return OUTBOX_OK;
}

int inbox_no_transaction(const char *what, struct outbox_error *error)
{
    return outbox_error_set(error, OUTBOX_E_INVALID,
                            "%s: no transaction is open; begin the one that applies the events first, or they are lost "
                            "after a crash",
                            what);
}

int inbox_bad_answer(const char *consumer, const char *what, struct outbox_error *error)
{
    return outbox_error_set(error, OUTBOX_E_SCHEMA,
                            "%s: the database answered with %s; create the inbox with 'outbox init --inbox'",
                            inbox_attempt(consumer).text, what);
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse(struct outbox_bytes from, uint8_t to[INBOX_ID_SIZE])
{
    const char *text = from.data;
    bool hyphens = from.size == 36;
    if (!text || (from.size != 36 && from.size != 32))
        return false;
    for (size_t i = 0, at = 0; i < INBOX_ID_SIZE; i++, at += 2) {
        if (hyphens && (i == 4 || i == 6 || i == 8 || i == 10) && text[at++] != '-')
            return false;
        int high = digit(text[at]), low = digit(text[at + 1]);
        if (high < 0 || low < 0)
            return false;
        to[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

int inbox_parse_id(const char *consumer, const struct outbox_bytes *ids, size_t index, uint8_t to[INBOX_ID_SIZE],
                   struct outbox_error *error)
{
    if (parse(ids[index], to))
        return OUTBOX_OK;
    return outbox_error_set(
        error, OUTBOX_E_INVALID, "%s: id %zu is not a UUID: '%.*s'; pass the header id of the event",
        inbox_attempt(consumer).text, index, ids[index].size < 40 && ids[index].data ? (int)ids[index].size : 0,
        ids[index].data ? (const char *)ids[index].data : "");
}

static int compare(const void *a, const void *b)
{
    const struct inbox_id *one = a, *other = b;
    int order = memcmp(one->bytes, other->bytes, INBOX_ID_SIZE);
    return order ? order : (one->index > other->index) - (one->index < other->index);
}

int inbox_parse_sorted(const char *consumer, const struct outbox_bytes *ids, size_t count, struct inbox_id **sorted,
                       struct outbox_error *error)
{
    int code = OUTBOX_OK;
    struct inbox_id *all = malloc(count * sizeof *all);
    if (!all)
        return outbox_error_set(error, OUTBOX_E_NO_MEMORY, "%s: out of memory", inbox_attempt(consumer).text);
    for (size_t i = 0; !code && i < count; i++) {
        all[i].index = (uint32_t)i;
        code = inbox_parse_id(consumer, ids, i, all[i].bytes, error);
    }
    if (code) {
        free(all);
        return code;
    }
    qsort(all, count, sizeof *all, compare);
    *sorted = all;
    return OUTBOX_OK;
}
