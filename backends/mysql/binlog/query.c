/* SPDX-License-Identifier: Apache-2.0 */
/* backends/mysql/binlog/query.c - which kind of statement a QUERY event has */
#include "query.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

static bool is_line_comment(const struct mys_cursor *text)
{
    size_t left = mys_left(text);
    if (left && *text->at == '#')
        return true;
    return left >= 3 && !memcmp(text->at, "--", 2) && (isspace(text->at[2]) || iscntrl(text->at[2]));
}

static void skip_line(struct mys_cursor *text)
{
    const unsigned char *end = memchr(text->at, '\n', mys_left(text));
    text->at = end ? end + 1 : text->end;
}

static void skip_blanks(struct mys_cursor *text)
{
    while (text->at < text->end && isspace(*text->at))
        text->at++;
}

/* White space, and comments that stand before a statement. */
static void skip_comments(struct mys_cursor *text)
{
    for (skip_blanks(text);; skip_blanks(text)) {
        if (is_line_comment(text)) {
            skip_line(text);
            continue;
        }
        if (mys_left(text) <= 3 || memcmp(text->at, "/*", 2))
            return;
        bool executed = text->at[2] == '!', executed_by_mariadb = text->at[2] == 'M' && text->at[3] == '!';
        if (executed || executed_by_mariadb) {
            text->at += executed ? 3 : 4;
            while (text->at < text->end && isdigit(*text->at))
                text->at++;
            continue;
        }
        const unsigned char *end = memmem(text->at + 2, mys_left(text) - 2, "*/", 2);
        text->at = end ? end + 2 : text->end;
    }
}

static bool is_part_of_name(unsigned char byte)
{
    return isalnum(byte) || byte == '_' || byte == '$' || byte >= 0x80;
}

/* Takes one word if it is this one. */
static bool take_word(struct mys_cursor *text, const char *word)
{
    size_t size = strlen(word);
    if (mys_left(text) < size || strncasecmp((const char *)text->at, word, size))
        return false;
    if (mys_left(text) > size && is_part_of_name(text->at[size]))
        return false;
    text->at += size;
    skip_blanks(text);
    return true;
}

/* The name, as a word of its own. Other tables may have it in another database: a false alarm is better than a loss. */
static bool mentions(struct mys_cursor text, const char *name)
{
    size_t size = strlen(name), left = mys_left(&text);
    for (size_t i = 0; i + size <= left; i++) {
        if (strncasecmp((const char *)text.at + i, name, size))
            continue;
        if ((i == 0 || !is_part_of_name(text.at[i - 1])) && (i + size == left || !is_part_of_name(text.at[i + size])))
            return true;
    }
    return false;
}

static enum mys_query xa_kind(struct mys_cursor text)
{
    if (take_word(&text, "COMMIT"))
        return MYS_QUERY_XA_COMMIT;
    if (take_word(&text, "START") || take_word(&text, "BEGIN"))
        return MYS_QUERY_XA_START;
    return take_word(&text, "ROLLBACK") ? MYS_QUERY_XA_ROLLBACK : MYS_QUERY_INSIDE;
}

/* SET STATEMENT .. FOR precedes any statement. Words that are not known are taken for changes: an alarm without need is
 * better than a loss. */
static bool is_definition(struct mys_cursor text)
{
    static const char *const words[] = {"ALTER",    "ANALYZE", "CACHE",    "CHECK",     "CREATE", "DROP",   "FLUSH",
                                        "GRANT",    "IMPORT",  "LOCK",     "INSTALL",   "RENAME", "REPAIR", "RESET",
                                        "OPTIMIZE", "REVOKE",  "TRUNCATE", "UNINSTALL", "UNLOCK"};
    if (take_word(&text, "SET"))
        return !take_word(&text, "STATEMENT");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (take_word(&text, words[i]))
            return true;
    return false;
}

static enum mys_query kind_of(struct mys_cursor text)
{
    skip_comments(&text);
    if (take_word(&text, "BEGIN") || take_word(&text, "START"))
        return MYS_QUERY_BEGIN;
    if (take_word(&text, "COMMIT"))
        return MYS_QUERY_COMMIT;
    if (take_word(&text, "ROLLBACK"))
        return mys_left(&text) ? MYS_QUERY_INSIDE : MYS_QUERY_ROLLBACK; /* TO a savepoint */
    if (take_word(&text, "SAVEPOINT") || take_word(&text, "RELEASE"))
        return MYS_QUERY_INSIDE;
    if (take_word(&text, "XA"))
        return xa_kind(text);
    return is_definition(text) ? MYS_QUERY_DEFINITION : MYS_QUERY_CHANGES;
}

static bool take_part(struct mys_cursor *text, const char *word)
{
    bool taken = take_word(text, word);
    skip_comments(text);
    return taken;
}

static bool drops_database(struct mys_cursor text)
{
    skip_comments(&text);
    return take_part(&text, "DROP") && (take_part(&text, "DATABASE") || take_part(&text, "SCHEMA"));
}

static struct mys_statement read_query(struct mys_cursor body, size_t more, const struct mys_log_name *name)
{
    enum { THREAD_TIME = 8, CODE = 2 };
    struct mys_statement statement = {.kind = MYS_QUERY_BAD};
    mys_take(&body, THREAD_TIME);
    uint64_t schema = mys_take_int(&body, 1);
    mys_take(&body, CODE);
    size_t variables = (size_t)mys_take_int(&body, 2);
    mys_take(&body, more);
    mys_take(&body, variables); /* of the session */
    statement.schema = mys_take_part(&body, schema);
    mys_take(&body, 1);
    statement.text = body;
    if (body.bad)
        return statement;
    statement.kind = kind_of(body);
    statement.names_table = mentions(body, name->table) || (drops_database(body) && mentions(body, name->schema));
    return statement;
}

struct mys_statement mys_query_read(struct mys_cursor body, const struct mys_log_name *name)
{
    return read_query(body, 0, name);
}

struct mys_statement mys_load_read(struct mys_cursor body, const struct mys_log_name *name)
{
    enum { FILE_AND_PLACE = 13 };
    struct mys_statement statement = read_query(body, FILE_AND_PLACE, name);
    if (statement.kind != MYS_QUERY_BAD)
        statement.kind = MYS_QUERY_CHANGES;
    return statement;
}

bool mys_query_starts_transaction(const struct mys_statement *statement)
{
    static const char mark[] = "\n) START TRANSACTION"; /* options of the table may follow */
    struct mys_cursor text = statement->text;
    return take_word(&text, "CREATE") && memmem(text.at, mys_left(&text), mark, sizeof mark - 1);
}

static bool changes_columns(struct mys_cursor text)
{
    static const char *const words[] = {"ADD", "CHANGE", "CONVERT", "DROP", "MODIFY", "RENAME"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (mentions(text, words[i]))
            return true;
    return false;
}

bool mys_query_redefines(const struct mys_statement *statement)
{
    struct mys_cursor text = statement->text;
    skip_comments(&text);
    bool alters = take_part(&text, "ALTER"), replaces = take_part(&text, "CREATE") && take_part(&text, "OR");
    if (!alters && !replaces && !take_part(&text, "DROP") && !take_part(&text, "RENAME"))
        return false;
    bool more;
    do
        more = take_part(&text, "REPLACE") || take_part(&text, "ONLINE") || take_part(&text, "IGNORE");
    while (more);
    bool table = take_part(&text, "TABLE") || take_part(&text, "TABLES");
    return (table && (!alters || changes_columns(text))) || drops_database(statement->text);
}

struct outbox_bytes mys_query_verb(const struct mys_statement *statement)
{
    struct mys_cursor text = statement->text;
    skip_comments(&text);
    uint32_t size = 0;
    while (size < mys_left(&text) && size < MYS_VERB && isalpha(text.at[size]))
        size++;
    return (struct outbox_bytes){text.at, size};
}

/* ---- XA ---------------------------------------------------------------------------------------------------------- */

bool mys_xid_of_query(const struct mys_statement *statement, char xid[MYS_XID])
{
    struct mys_cursor text = statement->text;
    size_t size = 0;
    skip_comments(&text);
    take_word(&text, "XA");
    if (!take_word(&text, "COMMIT"))
        take_word(&text, "ROLLBACK");
    for (; text.at < text.end && !isspace(*text.at); text.at++) {
        if (size + 1 >= MYS_XID)
            return false;
        xid[size++] = (char)tolower(*text.at);
    }
    xid[size] = '\0';
    return size > 0;
}

static size_t print_hex(struct mys_cursor bytes, char *to)
{
    static const char digits[] = "0123456789abcdef";
    char *at = to;
    *at++ = 'x';
    *at++ = '\'';
    for (; bytes.at < bytes.end; bytes.at++) {
        *at++ = digits[*bytes.at >> 4];
        *at++ = digits[*bytes.at & 15];
    }
    *at++ = '\'';
    *at++ = ',';
    return (size_t)(at - to);
}

bool mys_xid_of_prepare(struct mys_cursor body, char xid[MYS_XID], bool *one_phase)
{
    enum { PART_MAX = 64 };
    *one_phase = mys_take_int(&body, 1) != 0;
    unsigned format = (unsigned)mys_take_int(&body, 4);
    uint64_t global = mys_take_int(&body, 4), branch = mys_take_int(&body, 4);
    if (body.bad || global > PART_MAX || branch > PART_MAX)
        return false;
    struct mys_cursor first = mys_take_part(&body, global), second = mys_take_part(&body, branch);
    if (body.bad)
        return false;
    size_t size = print_hex(first, xid);
    size += print_hex(second, xid + size);
    snprintf(xid + size, MYS_XID - size, "%u", format);
    return true;
}
