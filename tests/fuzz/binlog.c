/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/binlog.c - events of MySQL's binlog and the matcher that reads them
 *
 * The input selects the steps of a log of statements and rows. This target builds the events: whole, cut off, or with
 * any bytes after them. A second implementation predicts whether the matcher wakes the relay. An unreadable event
 * always wakes it, and no byte is read past the end of an event.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../../backends/mysql/binlog.h"

#define ROOM (1u << 17)
#define HEADER 19u

enum step { ANYTHING, OUR_MAP, OTHER_MAP, ROWS, DELETED, COMMIT_ROWS, BEGIN, COMMIT, ROLLBACK, NEXT, STATEMENT, STEPS };

/* The state that the writer of the log keeps. */
struct log_state {
    uint64_t ours; /* the number of our table in the log; UINT64_MAX: none yet */
    bool added;    /* rows, in the transaction that is open */
};

struct event {
    uint8_t bytes[ROOM];
    size_t size;
};

static void put(struct event *event, const void *bytes, size_t size)
{
    FUZZ_CHECK(event->size + size <= ROOM);
    if (size)
        memcpy(event->bytes + event->size, bytes, size);
    event->size += size;
}

static void put_number(struct event *event, uint64_t number, unsigned size)
{
    for (; size--; number >>= 8)
        put(event, &(uint8_t){(uint8_t)number}, 1);
}

static void begin(struct event *event, uint8_t type)
{
    static const uint8_t rest[HEADER] = {0};
    event->size = 0;
    put(event, rest, 4);
    put(event, &type, 1);
    put(event, rest, HEADER - 5);
}

static void put_name(struct event *event, const char *name)
{
    put_number(event, strlen(name), 1);
    put(event, name, strlen(name) + 1);
}

static void put_map(struct event *event, uint64_t id, const char *table)
{
    begin(event, 19);
    put_number(event, id, 6);
    put_number(event, 1, 2);
    put_name(event, "Shop");
    put_name(event, table);
}

static void put_query(struct event *event, struct fuzz_input *input, const char *text)
{
    struct outbox_bytes status = fuzz_bytes(input);
    begin(event, 2);
    put_number(event, fuzz_int(input, 8), 8);
    put_number(event, 4, 1);
    put_number(event, 0, 2);
    put_number(event, status.size, 2);
    put(event, status.data, status.size);
    put(event, "shop", 5);
    put(event, text, strlen(text));
    fuzz_free(status.data);
}

static bool letter(char c)
{
    return c && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$", c);
}

/* Searches words for the name, as the matcher does: a word is letters, digits and other characters of names. */
static bool names_table(const char *text)
{
    while (*text) {
        size_t size = 0;
        while (letter(text[size]) || (unsigned char)text[size] >= 0x80)
            size++;
        if (size == strlen("outbox") && !strncasecmp(text, "outbox", size))
            return true;
        text += size + !size;
    }
    return false;
}

/* False: the transaction goes on. */
static bool end(struct log_state *state, bool *wakes, bool committed)
{
    *wakes = state->added && committed;
    *state = (struct log_state){.ours = UINT64_MAX};
    return true;
}

static void write_statement(struct log_state *state, struct event *event, struct fuzz_input *input, bool *wakes)
{
    static const char *const words[] = {"BEGIN", "COMMIT", "ROLLBACK", "XA COMMIT"};
    char *text = fuzz_text(input);
    put_query(event, input, text);
    *wakes = !strncasecmp(text, words[3], strlen(words[3]));
    for (unsigned i = 0; i < 3; i++) {
        if (!strcasecmp(text, words[i])) {
            end(state, wakes, i == 1);
            free(text);
            return;
        }
    }
    state->added |= !*wakes && names_table(text);
    free(text);
}

/* Builds one event, and predicts whether it must wake the relay. */
static void write_step(struct log_state *state, enum step step, struct event *event, struct fuzz_input *input,
                       bool *wakes)
{
    static const uint8_t writes[] = {23, 30, 166, 169}, nexts[] = {33, 34, 42, 162};
    uint64_t id = fuzz_int(input, 1);
    *wakes = false;
    switch (step) {
    case OUR_MAP:
        put_map(event, id, "OutBox");
        state->ours = id;
        break;
    case OTHER_MAP:
        put_map(event, id, id % 2 ? "outbox_dead" : "outbo");
        break;
    case ROWS:
        begin(event, writes[fuzz_int(input, 1) % 4]);
        put_number(event, id, 6);
        state->added |= id == state->ours;
        break;
    case DELETED:
        begin(event, 32);
        put_number(event, id, 6);
        break;
    case COMMIT_ROWS:
        begin(event, 16);
        end(state, wakes, true);
        break;
    case BEGIN:
    case COMMIT:
    case ROLLBACK:
        put_query(event, input, step == BEGIN ? "begin" : step == COMMIT ? "Commit" : "ROLLBACK");
        end(state, wakes, step == COMMIT);
        break;
    case NEXT:
        begin(event, nexts[fuzz_int(input, 1) % 4]);
        end(state, wakes, false);
        break;
    default:
        write_statement(state, event, input, wakes);
        break;
    }
}

/* From memory of exactly its size, so that a sanitizer detects reads past it. */
static bool feed(struct mys_binlog_matcher *matcher, const void *bytes, size_t size)
{
    void *copy = malloc(size + !size);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, bytes, size);
    bool wakes = mys_binlog_matcher_feed(matcher, (struct outbox_bytes){copy, size});
    free(copy);
    return wakes;
}

static struct mys_binlog_matcher new_matcher(void)
{
    return (struct mys_binlog_matcher){.schema = "shop", .table = "outbox"};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct event event;
    struct fuzz_input input = {data, data + size};
    struct log_state state = {.ours = UINT64_MAX};
    struct mys_binlog_matcher matcher = new_matcher(), other = new_matcher();
    while (input.at < input.end) {
        enum step step = (enum step)(fuzz_int(&input, 1) % STEPS);
        if (step == ANYTHING) {
            struct outbox_bytes bytes = fuzz_bytes(&input);
            bool wakes = feed(&other, bytes.data, bytes.size);
            FUZZ_CHECK(wakes || bytes.size >= HEADER);
            fuzz_free(bytes.data);
            continue;
        }
        bool wakes;
        write_step(&state, step, &event, &input, &wakes);
        feed(&other, event.bytes, event.size - fuzz_int(&input, 1) % event.size); /* a part of it */
        FUZZ_CHECK(feed(&matcher, event.bytes, event.size) == wakes);
    }
    return 0;
}
