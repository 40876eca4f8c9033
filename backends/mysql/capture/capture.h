/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/capture/capture.h - `capture: binlog`: events are read from the binlog in place of the table
 *
 *   dump ──► reader (binlog/) ──► transactions ──► queue of backends/sql/capture ──► claims
 *
 *   dump, dump_open  the connection          transactions  what is committed, what is held (XA)
 *   position         GTIDs                   event         a row as bytes, and back
 *   source           the functions that backends/sql/capture calls; horizon and distance
 *   columns          of the table that is captured         setup  tables and grants
 *
 * The table of the application is the captured one: ENGINE=BLACKHOLE keeps nothing of it, or InnoDB. The outbox of the
 * skeleton (sql_store.outbox) is NAME_spool: events that could not go leave the log for it.
 */
#ifndef OBX_BACKENDS_MYSQL_CAPTURE_CAPTURE_H
#define OBX_BACKENDS_MYSQL_CAPTURE_CAPTURE_H

#include "mysql/binlog/reader.h"
#include "dump.h"
#include "position.h"
#include "sql/capture/capture.h"

struct mys_store;

enum mys_capture_choice { MYS_CAPTURE_OFF, MYS_CAPTURE_BINLOG };

/* An XA transaction that is prepared; after its decision, until that is passed. */
struct mys_held {
    struct mys_held *next;
    uint64_t prepared, decided; /* ordinals; decided 0: not yet */
    struct sql_capture_list events;
    char xid[MYS_XID];
};

/* The transaction that is being read. */
struct mys_open {
    struct mys_gtid gtid;
    bool open;
    bool ignored; /* it was passed before: read again because of an older one that is held */
    bool xa;      /* its end is not yet known to be a commit */
    struct sql_capture_list events;
    uint64_t given; /* events that were skipped, or are in the queue */
    struct mys_place place;
};

struct mys_capture {
    int64_t choice;                /* the option: enum mys_capture_choice */
    struct sql_table_name table;   /* that is captured */
    struct mys_log_wanted *wanted; /* owned; the columns that the captured table and the spool have */
    uint32_t wanted_count;
    uint32_t table_columns;
    uint16_t *selected; /* owned; for each of store->selected its value in an event */
    char engine[65];
    struct mys_gtid_set columns_at; /* what was executed when the columns were read */

    struct mys_dump dump;
    struct mys_reader reader;
    bool reading;
    bool mid_event; /* items of the event that was fed last are left */
    struct mys_position position;
    struct mys_open open;
    struct mys_held *held; /* owned */
    uint64_t held_bytes;
    uint64_t skip; /* events of the next transaction that were passed before a restart */
    bool statement_logged;
    char file[512]; /* of the log, that is being read */
    uint64_t file_position;
    char status_place[200];      /* of `outbox status`: the place that the position row has */
    struct mys_gtid_set horizon; /* the end of the log, as the last statement gave it */
    uint64_t recorded_ns, recorded_bytes, recorded_ordinal;
};

static inline bool mys_captures(const struct mys_capture *capture)
{
    return capture->choice == MYS_CAPTURE_BINLOG;
}

/* ---- transactions.c ---------------------------------------------------------------------------------------------- */

void mys_transactions_reset(struct mys_store *store);
/* One item of the reader. Errors: SCHEMA, UNSUPPORTED, NO_MEMORY, NOT_CONNECTED: the table was altered. */
int mys_transactions_take(struct mys_store *store, const struct mys_item *item, struct outbox_error *error);
/* The first transaction that must be read again; UINT64_MAX: none. */
uint64_t mys_transactions_held(const struct mys_capture *capture);
void mys_transactions_passed(struct mys_store *store, uint64_t ordinal); /* forgets what was held for it */

/* ---- event.c ----------------------------------------------------------------------------------------------------- */

/* A copy of the values of a row; NULL: no memory. */
struct sql_capture_event *mys_event_new(struct sql_capture_memory *memory, const struct outbox_value *values,
                                        uint32_t count);
const char *mys_event_decode(const struct sql_store *store, const struct sql_capture_event *event,
                             struct outbox_value *values);
bool mys_put_spool(struct sql_request *request);

/* ---- source.c ---------------------------------------------------------------------------------------------------- */

extern const struct sql_capture_source mys_capture_source;

/* ---- distance.c -------------------------------------------------------------------------------------------------- */

/* "binlog.000012:3456 1795975300": from where the log is needed, and the time of what is there. */
void mys_distance_print(const struct mys_capture *capture, char text[200]);
bool mys_put_distance(struct sql_request *request);
void mys_on_distance(struct sql_request *request, void *result);
/* Probes of `outbox status`. */
bool mys_put_place(struct sql_request *request);
void mys_report_place(struct sql_op *op);
bool mys_put_files(struct sql_request *request);
void mys_report_files(struct sql_op *op);

/* ---- columns.c --------------------------------------------------------------------------------------------------- */

/* A statement that gives the columns of the captured table; and its result. */
bool mys_put_captured(struct sql_request *request);
void mys_on_captured(struct sql_request *request, void *result);
void mys_take_captured(struct mys_store *store, void *result, unsigned index); /* of the statement: 0, 1, 2 */
void mys_validate_captured(struct sql_store *store, struct outbox_error *error);

/* ---- setup.c ----------------------------------------------------------------------------------------------------- */

int mys_capture_init(struct mys_store *store, struct outbox_error *error);
void mys_capture_fini(struct mys_store *store);

#endif
