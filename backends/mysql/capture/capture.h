/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/capture/capture.h - `capture: binlog`: events are read from the binlog in place of the table
 *
 *   dump ──► reader (binlog/) ──► transactions ──► queue of backends/sql/capture ──► claims
 *
 *   dump, dump_open  the connection          transactions  what is committed, what is held (XA)
 *   position         GTIDs                   event, spool  a row as bytes, and back; as a row of the spool
 *   source           the functions that backends/sql/capture calls; horizon and distance
 *   layout           which columns rows have whose log has no names
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
    struct mys_gtid_set before; /* what was read before it: where a reader that must find it begins */
    struct mys_place place;
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

/*
 * Without names in the log (binlog_row_metadata) rows are read by the places of the columns as they are now. That is
 * right if the table was not altered between the rows and the reading of the columns. So the log in between is first
 * searched for definitions of the table, without its rows: layout.c.
 */
struct mys_layout {
    struct mys_gtid_set known_at; /* what was executed when the columns were read */
    struct mys_gtid_set searched; /* what was read before the search, and by it */
    struct mys_gtid altered_by;   /* after the columns were read; number 0: nothing has */
    bool searching, proven;
    bool waiting; /* altered_by was read: nothing else is until all before it is passed */
};

struct mys_capture {
    int64_t choice;                /* the option: enum mys_capture_choice */
    struct sql_table_name table;   /* that is captured */
    struct mys_log_wanted *wanted; /* owned; the columns that the captured table and the spool have */
    uint32_t wanted_count;
    uint32_t table_columns;
    uint16_t *selected; /* owned; for each of store->selected its value in an event */
    char engine[65];
    struct mys_layout layout;

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

void mys_transactions_close(struct mys_store *store); /* the one that is being read is forgotten */
void mys_transactions_reset(struct mys_store *store); /* all are */
/* One item of the reader. Errors: SCHEMA, UNSUPPORTED, NO_MEMORY, NOT_CONNECTED: the table was altered. */
int mys_transactions_take(struct mys_store *store, const struct mys_item *item, struct outbox_error *error);
/* The oldest transaction that is held; NULL: none. */
const struct mys_held *mys_transactions_oldest(const struct mys_capture *capture);
/* Where a reader must begin for it, if that is before what is passed; NULL: it begins after that. */
const struct mys_gtid_set *mys_transactions_held(const struct mys_capture *capture);
void mys_transactions_passed(struct mys_store *store, uint64_t ordinal); /* forgets what was held for it */

/* ---- layout.c ---------------------------------------------------------------------------------------------------- */

/* May a row be read? False: the search begins with its transaction; or *error is NOT_CONNECTED: the columns must be
 * read again. */
bool mys_layout_is_known(struct mys_store *store, struct outbox_error *error);
/* An item while the search goes on. Errors: SCHEMA: the table was altered between rows and the reading of columns. */
int mys_layout_search(struct mys_store *store, const struct mys_item *item, struct outbox_error *error);
/* The search is over: the stream must be opened again, after position.read. */
bool mys_layout_found(const struct mys_capture *capture);
/* The table was altered. Errors: NOT_CONNECTED: the columns must be read again, at once. */
int mys_layout_altered(struct mys_store *store, bool inside, struct outbox_error *error);
/* After an ALTER: has all before it been passed, and recorded? Then *error is NOT_CONNECTED. */
bool mys_layout_must_renew(struct mys_store *store, struct outbox_error *error);

/* ---- event.c, spool.c -------------------------------------------------------------------------------------------- */

/* A copy of the values of a row; NULL: no memory. */
struct sql_capture_event *mys_event_new(struct sql_capture_memory *memory, const struct outbox_value *values,
                                        uint32_t count);
const char *mys_event_decode(const struct sql_store *store, const struct sql_capture_event *event,
                             struct outbox_value *values);
struct outbox_value mys_event_value(const struct sql_capture_event *event, uint32_t index); /* of capture->wanted */
bool mys_put_spool(struct sql_request *request);
bool mys_put_dead_event(struct sql_request *request);
void mys_name_event(const struct sql_store *store, const struct sql_capture_event *event,
                    const struct outbox_error *why, char *text, size_t size);

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
/* The same, while no other session can define the table anew: for what is read from the log. */
bool mys_put_captured_locked(struct sql_request *request);
void mys_on_captured_locked(struct sql_request *request, void *result);
void mys_take_captured(struct mys_store *store, void *result, unsigned index); /* of the statement: 0, 1, 2 */
void mys_validate_captured(struct sql_store *store, struct outbox_error *error);

/* ---- setup.c ----------------------------------------------------------------------------------------------------- */

int mys_capture_init(struct mys_store *store, struct outbox_error *error);
void mys_capture_fini(struct mys_store *store);

#endif
