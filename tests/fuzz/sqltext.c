/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/sqltext.c - names and literals in statements: quoted in each dialect, they come back as they were */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "sql/columns.h"
#include "sql/text.h"

/* Returns the end of the quoted piece at `at`; its content goes to `to`. */
static const char *unquote(const char *at, bool backslash, char *to)
{
    char quote = *at++;
    for (;; at++) {
        FUZZ_CHECK(*at);
        if (*at == quote && at[1] != quote)
            break;
        if (*at == quote || (backslash && *at == '\\'))
            at++;
        *to++ = *at;
    }
    *to = 0;
    return at + 1;
}

static void check_piece(enum obx_sql_dialect dialect, const char *piece, bool literal)
{
    struct obx_sql_text text = {.host = &fuzz_host, .dialect = dialect};
    char *back = malloc(2 * strlen(piece) + 8);
    if (!back)
        abort();
    if (literal)
        obx_sql_text_literal(&text, piece);
    else
        obx_sql_text_name(&text, piece);
    const char *at = obx_sql_text_get(&text);
    at = unquote(at, literal && dialect == OBX_SQL_MYSQL, back);
    FUZZ_CHECK(!*at && !text.failed);
    FUZZ_CHECK(!strcmp(back, piece));
    free(back);
    obx_sql_text_free(&text);
}

static void check_table(const char *table)
{
    char schema[64], name[64];
    if (!obx_sql_split_table(table, schema, name, sizeof schema))
        return;
    size_t before = strlen(schema);
    FUZZ_CHECK(*name && strlen(table) == before + (before > 0) + strlen(name));
    FUZZ_CHECK(!strncmp(table, schema, before) && !strcmp(table + before + (before > 0), name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *piece = fuzz_whole_text(data, size);
    for (int dialect = OBX_SQL_POSTGRES; dialect <= OBX_SQL_SQLITE; dialect++) {
        check_piece((enum obx_sql_dialect)dialect, piece, false);
        check_piece((enum obx_sql_dialect)dialect, piece, true);
    }
    check_table(piece);
    free(piece);
    return 0;
}
