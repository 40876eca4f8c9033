/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/end-to-end/writer/session.c - a connection with one transaction at a time, and its ledger
 *
 * The transaction and its events are written to the ledger in one write before COMMIT is sent, the outcome afterwards.
 * If the ledger cannot be written, the writer must end: the oracle could not check its events.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "writer.h"

#define LINE_MAX_SIZE 160
#define PATIENCE_S 60

bool writer_keep_trying(struct writer_db *db, bool (*connect_once)(struct writer_db *db))
{
    time_t deadline = time(NULL) + PATIENCE_S;
    while (!connect_once(db)) {
        if (time(NULL) > deadline)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    return true;
}

char *writer_insert_text(const char *table)
{
    char *text;
    return asprintf(&text, "insert into %s (event_id, aggregatetype, aggregateid, type, payload) values", table) < 0
               ? NULL
               : text;
}

bool writer_session_open(struct writer_session *session, const char *where, const char *table, const char *ledger,
                         const char *suffix)
{
    *session = (struct writer_session){.ledger = -1};
    if (asprintf(&session->ledger_path, "%s%s", ledger, suffix) < 0)
        return false;
    session->ledger = open(session->ledger_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (session->ledger < 0) {
        fprintf(stderr, "writer: open %s: %s\n", session->ledger_path, strerror(errno));
        return false;
    }
    session->db = writer_db_open(where, table);
    return session->db != NULL;
}

void writer_session_close(struct writer_session *session)
{
    if (session->db)
        writer_db_close(session->db);
    if (session->ledger >= 0)
        close(session->ledger);
    free(session->ledger_path);
    free(session->lines);
}

static bool write_ledger(struct writer_session *session, const char *text, size_t size)
{
    if (write(session->ledger, text, size) == (ssize_t)size)
        return true;
    fprintf(stderr, "writer: write %s: %s\n", session->ledger_path, strerror(errno));
    return false;
}

/* Room for one more line. */
static char *line(struct writer_session *session)
{
    if (session->room - session->size < LINE_MAX_SIZE) {
        char *lines = realloc(session->lines, session->room + 64 * LINE_MAX_SIZE);
        if (!lines)
            abort();
        session->lines = lines;
        session->room += 64 * LINE_MAX_SIZE;
    }
    return session->lines + session->size;
}

static void append_event(struct writer_session *session, const struct writer_event *event)
{
    uint64_t hash = event->payload ? XXH3_64bits(event->payload, event->size) : 0;
    session->size += (size_t)snprintf(line(session), LINE_MAX_SIZE, "E %s %s %" PRIu32 " %016" PRIx64 "\n", event->id,
                                      event->key, event->sequence, hash);
}

bool writer_session_begin(struct writer_session *session, bool prepares)
{
    if (!writer_db_begin(session->db, prepares))
        return false;
    session->prepares = prepares;
    session->size = 0;
    session->size = (size_t)snprintf(line(session), LINE_MAX_SIZE, "B %" PRIu64 "\n", ++session->transactions);
    session->open = session->intact = true;
    return true;
}

void writer_session_insert(struct writer_session *session, struct writer_event *events, unsigned count)
{
    for (unsigned i = 0; i < count && session->intact; i++) {
        session->intact = writer_db_draw(session->db, &events[i]);
        if (session->intact)
            append_event(session, &events[i]);
    }
    session->intact = session->intact && writer_db_insert(session->db, events, count);
}

void writer_session_undo(struct writer_session *session, const struct writer_event *event)
{
    session->intact = session->intact && writer_db_undo(session->db, event);
}

bool writer_session_end(struct writer_session *session, bool commit)
{
    char text[32];
    enum writer_end end = WRITER_ROLLED_BACK;
    session->open = false;
    if (!write_ledger(session, session->lines, session->size))
        return false;
    if (session->intact && commit)
        end = writer_db_commit(session->db, session->prepares);
    else
        writer_db_rollback(session->db);
    int size =
        snprintf(text, sizeof text, "%c %" PRIu64 "\n", end == WRITER_COMMITTED ? 'C' : 'R', session->transactions);
    return end == WRITER_IN_DOUBT || write_ledger(session, text, (size_t)size);
}
