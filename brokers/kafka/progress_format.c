/* SPDX-License-Identifier: Apache-2.0 */
/*
 * brokers/kafka/progress_format.c - the bytes of a progress record
 *
 *     key: the transactional.id, and in later parts a zero byte and the part's number
 *     "OBXP" version:1   epoch sequence part parts   size outbox   count   { major minor hash:8 } ...
 *
 * Numbers are unsigned LEB128, except the version and the hash (little endian). An event's major is the difference from
 * the event before; its minor too, if the majors are equal. The events are ascending over all parts of a record, and
 * each part begins with the differences from zero. Reading checks every length: a message that anybody else wrote is an
 * error, not a crash.
 */
#include <stdio.h>
#include <string.h>

#include "progress.h"

static const char magic[4] = {'O', 'B', 'X', 'P'};
#define VERSION 1u

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static uint8_t *put_number(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put_hash(uint8_t *at, uint64_t hash)
{
    for (int i = 0; i < 8; i++)
        *at++ = (uint8_t)(hash >> (8 * i));
    return at;
}

static uint8_t *put_header(uint8_t *at, const struct kafka_progress_part *part)
{
    size_t size = strlen(part->outbox);
    memcpy(at, magic, sizeof magic);
    at += sizeof magic;
    *at++ = VERSION;
    at = put_number(at, part->epoch);
    at = put_number(at, part->sequence);
    at = put_number(at, part->part);
    at = put_number(at, part->parts);
    at = put_number(at, size);
    memcpy(at, part->outbox, size);
    return at + size;
}

uint32_t kafka_progress_parts(const struct kafka_progress *progress)
{
    uint32_t count = progress->known.count;
    return count ? (count + KAFKA_PROGRESS_PART - 1) / KAFKA_PROGRESS_PART : 1;
}

size_t kafka_progress_encode(const struct kafka_progress *progress, const struct kafka_progress_part *part, void *to)
{
    uint32_t first = part->part * KAFKA_PROGRESS_PART, left = progress->known.count - first;
    uint32_t count = left < KAFKA_PROGRESS_PART ? left : KAFKA_PROGRESS_PART;
    struct outbox_position last = {0, 0};
    uint8_t *at = put_number(put_header(to, part), count);
    for (uint32_t i = 0; i < count; i++) {
        const struct kafka_progress_entry *entry = &progress->known.items[first + i];
        uint64_t step = entry->position.major - last.major;
        at = put_number(at, step);
        at = put_number(at, step ? entry->position.minor : entry->position.minor - last.minor);
        at = put_hash(at, entry->hash);
        last = entry->position;
    }
    return (size_t)(at - (uint8_t *)to);
}

size_t kafka_progress_key(const char *id, uint32_t part, char to[KAFKA_PROGRESS_KEY])
{
    size_t size = strnlen(id, KAFKA_PROGRESS_ID);
    memcpy(to, id, size);
    to[size] = '\0';
    return part ? size + 1 + (size_t)snprintf(to + size + 1, KAFKA_PROGRESS_KEY - size - 1, "%u", part) : size;
}

bool kafka_progress_is_key(const char *id, const void *key, size_t size)
{
    size_t length = strlen(id);
    return size >= length && !memcmp(key, id, length) && (size == length || !((const char *)key)[length]);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

struct reader {
    const uint8_t *at, *end;
    bool bad;
};

static uint64_t get_number(struct reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    reader->bad = true;
    return 0;
}

static uint64_t get_hash(struct reader *reader)
{
    uint64_t hash = 0;
    if (reader->end - reader->at < 8) {
        reader->bad = true;
        return 0;
    }
    for (int i = 0; i < 8; i++)
        hash |= (uint64_t)*reader->at++ << (8 * i);
    return hash;
}

static void get_header(struct reader *reader, struct kafka_progress_part *part)
{
    *part = (struct kafka_progress_part){0};
    if (reader->end - reader->at <= (ptrdiff_t)sizeof magic || memcmp(reader->at, magic, sizeof magic) ||
        reader->at[sizeof magic] != VERSION) {
        reader->bad = true;
        return;
    }
    reader->at += sizeof magic + 1;
    part->epoch = get_number(reader);
    part->sequence = get_number(reader);
    part->part = (uint32_t)get_number(reader);
    part->parts = (uint32_t)get_number(reader);
    uint64_t size = get_number(reader);
    if (reader->bad || size >= sizeof part->outbox || size > (uint64_t)(reader->end - reader->at)) {
        reader->bad = true;
        return;
    }
    memcpy(part->outbox, reader->at, size);
    reader->at += size;
}

static struct kafka_progress_entry get_entry(struct reader *reader, struct outbox_position last)
{
    uint64_t step = get_number(reader), minor = get_number(reader);
    struct outbox_position position = {last.major + step, step ? minor : last.minor + minor};
    return (struct kafka_progress_entry){position, get_hash(reader)};
}

/* current serves as the list to read into: it is grown by the same rule. */
int kafka_progress_decode(struct kafka_progress *progress, const void *from, size_t size,
                          struct kafka_progress_part *part)
{
    struct reader reader = {.at = from, .end = (const uint8_t *)from + size};
    struct outbox_position last = {0, 0};
    get_header(&reader, part);
    uint64_t count = reader.bad ? 0 : get_number(&reader);
    if (!part->part)
        progress->known.count = 0;
    progress->current.count = 0;
    for (uint64_t i = 0; i < count && !reader.bad; i++) {
        struct kafka_progress_entry entry = get_entry(&reader, last);
        if (reader.bad || kafka_progress_reserve(progress))
            break;
        progress->current.items[progress->current.count++] = entry;
        last = entry.position;
    }
    if (!reader.bad && progress->current.count < count)
        return OUTBOX_E_NO_MEMORY;
    if (reader.bad || reader.at != reader.end || part->part >= part->parts)
        return OUTBOX_E_CORRUPT;
    return kafka_progress_fold(progress);
}
