/*
 * tests/oracle/published.c - what consumers can read, line by line, judged as it comes
 *
 * A line is a JSON object: the file broker's (id, key, type, time, headers, payload or payload_base64), or one of
 * kcat -J, where the id is a header and headers are a flat list of names and values. A line that is no such object
 * counts as garbled; reading goes on.
 */
#include <jansson.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base64.h"
#include "lines.h"

struct line {
    json_t *object;  /* owned */
    const char *id;  /* borrowed of object, like the key */
    const char *key; /* NULL: none */
    size_t id_size, key_size;
    uint64_t payload; /* hash of its bytes; of a null payload 0 */
    uint64_t content; /* hash of all that a consumer gets */
};

/* The value of a header, be headers an object or kcat's list. */
static const json_t *header(const json_t *headers, const char *name)
{
    for (size_t i = 0; i + 1 < json_array_size(headers); i += 2) {
        const char *there = json_string_value(json_array_get(headers, i));
        if (there && strcmp(there, name) == 0)
            return json_array_get(headers, i + 1);
    }
    return json_object_get(headers, name);
}

static bool hash_payload(const json_t *object, uint64_t *hash)
{
    const json_t *text = json_object_get(object, "payload");
    const json_t *encoded = json_object_get(object, "payload_base64");
    if (json_is_string(text)) {
        *hash = XXH3_64bits(json_string_value(text), json_string_length(text));
        return true;
    }
    if (!json_is_string(encoded)) {
        *hash = 0;
        return true;
    }
    struct obx_buf bytes = {0};
    bool ok = oracle_base64(json_string_value(encoded), json_string_length(encoded), &bytes);
    *hash = XXH3_64bits(bytes.data, bytes.size);
    obx_buf_free(&bytes);
    return ok;
}

/* All that a consumer gets, whatever the order and the spacing of the line. */
static bool hash_content(struct line *line)
{
    static const char *const fields[] = {"topic", "key", "id", "type", "time", "headers"};
    uint64_t hash = line->payload;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char *text = json_dumps(json_object_get(line->object, fields[i]), JSON_COMPACT | JSON_ENCODE_ANY);
        hash = XXH3_64bits_withSeed(text ? text : "", text ? strlen(text) : 0, hash);
        free(text);
    }
    line->content = hash;
    return true;
}

static bool parse(struct line *line, const char *text, size_t size)
{
    line->object = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (!json_is_object(line->object))
        return false;
    const json_t *id = json_object_get(line->object, "id");
    if (!json_is_string(id))
        id = header(json_object_get(line->object, "headers"), "id");
    const json_t *key = json_object_get(line->object, "key");
    line->id = json_string_value(id);
    line->id_size = json_string_length(id);
    line->key = json_string_value(key);
    line->key_size = json_string_length(key);
    return line->id && hash_payload(line->object, &line->payload) && hash_content(line);
}

static void judge_first(struct oracle *oracle, struct oracle_event *event, const struct line *line)
{
    event->published = true;
    event->content = line->content;
    uint32_t key = line->key ? oracle_key_find(oracle, line->key, line->key_size) : ORACLE_NONE;
    if (line->payload != event->payload || key != event->key)
        oracle_fault(oracle, &oracle->verdict.changed, "changed: event %s, line %llu: %s is not what was written",
                     line->id, (unsigned long long)oracle->line, key != event->key ? "the key" : "the payload");
    if (event->key == ORACLE_NONE)
        return;
    uint32_t *reached = &oracle->keys[event->key].reached;
    if (event->sequence <= *reached)
        oracle_fault(oracle, &oracle->verdict.disordered,
                     "disordered: event %s, line %llu: number %u of key %s comes after number %u", line->id,
                     (unsigned long long)oracle->line, event->sequence, line->key ? line->key : "-", *reached);
    else
        *reached = event->sequence;
}

static void judge_again(struct oracle *oracle, struct oracle_event *event, const struct line *line)
{
    oracle->verdict.duplicates++;
    uint64_t distance = oracle->line - event->last;
    if (distance > oracle->verdict.furthest)
        oracle->verdict.furthest = distance;
    if (line->content != event->content)
        oracle_fault(oracle, &oracle->verdict.unlike,
                     "unlike: event %s, line %llu: the duplicate differs from the first", line->id,
                     (unsigned long long)oracle->line);
    if (oracle->rules.window && distance > oracle->rules.window)
        oracle_fault(oracle, &oracle->verdict.far,
                     "far: event %s, line %llu: a duplicate %llu lines after the last occurrence, window %llu",
                     line->id, (unsigned long long)oracle->line, (unsigned long long)distance,
                     (unsigned long long)oracle->rules.window);
}

static void judge_line(struct oracle *oracle, const struct line *line)
{
    uint32_t at = oracle_event_find(oracle, line->id, line->id_size);
    if (at == ORACLE_NONE || oracle->transactions[oracle->events[at].transaction].fate == ORACLE_ROLLED_BACK) {
        oracle_fault(oracle, &oracle->verdict.invented, "invented: event %s, line %llu: %s", line->id,
                     (unsigned long long)oracle->line,
                     at == ORACLE_NONE ? "nobody wrote it" : "its transaction was rolled back");
        return;
    }
    struct oracle_event *event = &oracle->events[at];
    if (event->published)
        judge_again(oracle, event, line);
    else
        judge_first(oracle, event, line);
    event->last = (uint32_t)oracle->line;
    oracle->verdict.published++;
}

static int read_line(struct oracle *oracle, char *text, size_t size, uint64_t number, struct outbox_error *error)
{
    (void)number;
    (void)error;
    struct line line = {0};
    oracle->line++;
    if (parse(&line, text, size))
        judge_line(oracle, &line);
    else
        oracle_fault(oracle, &oracle->verdict.garbled, "garbled: line %llu: %.60s", (unsigned long long)oracle->line,
                     text);
    json_decref(line.object);
    return OUTBOX_OK;
}

int oracle_read_published(struct oracle *oracle, const char *path, struct outbox_error *error)
{
    return oracle_each_line(oracle, path, read_line, &oracle->verdict.unfinished, error);
}
