/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writers/postgres/window.c - the row of a partition: read when its window is opened, written in each transaction
 *
 * A save is an UPDATE of the row at the offset of the save before. Of two consumers that believe to have the partition,
 * one changes the row, and the other finds no row at its offset. Failure modes: see outbox/window.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "inbox_error.h"
#include "window.h"

#define TABLE "table outbox_inbox_position"

struct text {
    char digits[24];
};

static struct text text_of(int64_t number)
{
    struct text text;
    snprintf(text.digits, sizeof text.digits, "%" PRId64, number);
    return text;
}

static int read_row(const PGresult *result, const struct outbox_window_place *place, struct window_row *row,
                    struct outbox_error *error)
{
    const char *cells[WINDOW_COLUMNS];
    bool fits = PQnfields(result) == WINDOW_COLUMNS && PQntuples(result) == 1;
    for (int i = 0; fits && i < WINDOW_COLUMNS; i++)
        cells[i] = PQgetisnull(result, 0, i) ? NULL : PQgetvalue(result, 0, i);
    return window_read_row(place, fits ? cells : NULL, row, error);
}

int outbox_pg_window_open(PGconn *pg, const struct outbox_window_place *place, struct outbox_window **window,
                          struct outbox_error *error)
{
    int code = window_check_place(pg, place, window, error);
    if (code)
        return code;
    const struct text part = text_of(place->partition);
    const char *const values[] = {place->consumer, place->topic, part.digits};
    PGresult *result = PQexecParams(pg, WINDOW_SELECT("$1", "$2", "$3::int4"), 3, NULL, values, NULL, NULL, 0);
    struct window_row row;
    code = PQresultStatus(result) == PGRES_TUPLES_OK
               ? read_row(result, place, &row, error)
               : pg_inbox_fail(pg, window_attempt("open the window", place).text, result, TABLE, error);
    PQclear(result);
    return code ? code : window_new(place, &row, window, error);
}

static PGresult *write_row(PGconn *pg, const struct outbox_window *window, const struct window_row *row)
{
    const struct outbox_window_place *place = window_place(window);
    bool update = window_saved(window) >= 0;
    const struct text part = text_of(place->partition), next = text_of(row->next_offset),
                      begin = text_of(row->window_offset),
                      last = text_of(update ? window_saved(window) : place->partitions);
    const char *const values[] = {place->consumer, place->topic, part.digits, next.digits, begin.digits, last.digits};
    return PQexecParams(pg,
                        update ? "UPDATE outbox_inbox_position SET next_offset = $4, window_offset = $5 "
                                 "WHERE consumer = $1 AND topic = $2 AND part = $3 AND next_offset = $6"
                               : "INSERT INTO outbox_inbox_position (consumer, topic, part, next_offset, "
                                 "window_offset, partitions) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                        6, NULL, values, NULL, NULL, 0);
}

int outbox_pg_window_save(PGconn *pg, struct outbox_window *window, struct outbox_error *error)
{
    struct window_row row;
    if (!pg || !window)
        return pg_fail(error, OUTBOX_E_INVALID, "save a window: the connection or the window is NULL");
    const struct window_attempt what = window_attempt("save the window", window_place(window));
    int code = pg_inbox_check_transaction(pg, what.text, error);
    if (code || !window_to_save(window, &row))
        return code;
    PGresult *result = write_row(pg, window, &row);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        code = pg_inbox_fail(pg, what.text, result, TABLE, error);
    else if (strcmp(PQcmdTuples(result), "1") != 0)
        code = window_fenced(window, error);
    else
        window_set_saved(window, &row);
    PQclear(result);
    return code;
}
