/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backends/mysql/binlog/value.c - one value of a row, as the same value that a SELECT of the relay gives
 *
 * Texts and bytes are not copied. The log drops zero bytes from the end of a BINARY(n), which are added again here.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "gtid.h"
#include "row.h"

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

static unsigned fixed_size(const struct mys_log_column *column)
{
    switch (column->type) {
    case MYS_LT_TINY:
    case MYS_LT_YEAR:
        return 1;
    case MYS_LT_SHORT:
        return 2;
    case MYS_LT_INT24:
        return 3;
    case MYS_LT_LONG:
    case MYS_LT_FLOAT:
        return 4;
    case MYS_LT_LONGLONG:
    case MYS_LT_DOUBLE:
        return 8;
    case MYS_LT_NEWDECIMAL:
        return mys_decimal_size(column->meta >> 8, column->meta & 0xff);
    case MYS_LT_BIT:
        return (column->meta >> 8) + ((column->meta & 0xff) != 0);
    case MYS_LT_ENUM:
    case MYS_LT_SET:
        return column->meta;
    default:
        return mys_temporal_size(column);
    }
}

static unsigned size_bytes(const struct mys_log_column *column)
{
    switch (column->type) {
    case MYS_LT_VARCHAR:
    case MYS_LT_VARCHAR_COMPRESSED:
    case MYS_LT_VAR_STRING:
    case MYS_LT_STRING:
        return column->meta > 255 ? 2 : 1;
    case MYS_LT_BLOB:
    case MYS_LT_BLOB_COMPRESSED:
    case MYS_LT_JSON:
    case MYS_LT_GEOMETRY:
    case MYS_LT_VECTOR:
        return column->meta;
    default:
        return 0;
    }
}

struct mys_cursor mys_value_take(const struct mys_log_column *column, struct mys_cursor *body)
{
    unsigned bytes = size_bytes(column);
    unsigned fixed = bytes ? 0 : fixed_size(column);
    if (bytes > 8 || fixed > 255 || (!bytes && !fixed))
        return (struct mys_cursor){.bad = true};
    return mys_take_part(body, bytes ? mys_take_int(body, bytes) : fixed);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static void set_bytes(struct outbox_value *value, uint32_t type, const void *data, size_t size)
{
    *value = (struct outbox_value){.as.data = data, .size = (uint32_t)size, .type = type};
}

static bool set_scratch(struct outbox_value *value, uint32_t type, const struct obx_sql_text *scratch)
{
    set_bytes(value, type, obx_sql_text_get(scratch), scratch->size);
    return !scratch->failed;
}

/* A number above INT64_MAX is a text, as in a SELECT of the relay. */
static bool read_int(const struct mys_log_column *column, struct mys_cursor part, struct obx_sql_text *scratch,
                     struct outbox_value *value)
{
    unsigned bits = 8 * (unsigned)mys_left(&part);
    uint64_t number = mys_little(part.at, bits / 8);
    char digits[24];
    if (!column->is_unsigned && bits < 64 && number >> (bits - 1) & 1)
        number |= ~UINT64_C(0) << bits;
    *value = (struct outbox_value){.as.integer = (int64_t)number, .type = OUTBOX_INT};
    if (!column->is_unsigned || number <= INT64_MAX)
        return true;
    int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)number);
    obx_sql_text_add(scratch, digits, (size_t)size);
    return set_scratch(value, OUTBOX_TEXT, scratch);
}

static bool read_real(struct mys_cursor part, struct outbox_value *value)
{
    uint64_t bits = mys_little(part.at, (unsigned)mys_left(&part));
    uint32_t single_bits = (uint32_t)bits;
    float single;
    *value = (struct outbox_value){.type = OUTBOX_FLOAT};
    if (mys_left(&part) == sizeof single) {
        memcpy(&single, &single_bits, sizeof single);
        value->as.real = (double)single;
        value->size = OUTBOX_FLOAT_SINGLE;
    } else {
        memcpy(&value->as.real, &bits, sizeof bits);
    }
    return true;
}

static bool read_enum(const struct mys_log_column *column, struct mys_cursor part, struct outbox_value *value)
{
    struct outbox_bytes label = {.data = ""};
    uint64_t number = mys_little(part.at, (unsigned)mys_left(&part));
    bool known = !number || mys_column_label(column, number, &label); /* 0: '', for a value that was refused */
    set_bytes(value, OUTBOX_TEXT, label.data, label.size);
    return known;
}

static bool read_set(const struct mys_log_column *column, struct mys_cursor part, struct obx_sql_text *scratch,
                     struct outbox_value *value)
{
    uint64_t bits = mys_little(part.at, (unsigned)mys_left(&part));
    for (unsigned i = 0; i < 64; i++) {
        struct outbox_bytes label;
        if (!(bits >> i & 1))
            continue;
        if (!mys_column_label(column, i + 1, &label))
            return false;
        obx_sql_text_add(scratch, ",", scratch->size ? 1 : 0);
        obx_sql_text_add(scratch, label.data, label.size);
    }
    return set_scratch(value, OUTBOX_TEXT, scratch);
}

/* MariaDB keeps the parts of a UUID of versions 1 to 5 in the opposite order. */
static bool print_uuid(struct mys_cursor part, struct obx_sql_text *scratch)
{
    static const unsigned char order[MYS_UUID] = {12, 13, 14, 15, 10, 11, 8, 9, 6, 7, 0, 1, 2, 3, 4, 5};
    unsigned char uuid[MYS_UUID] = {0};
    char text[37];
    memcpy(uuid, part.at, mys_left(&part) < MYS_UUID ? mys_left(&part) : MYS_UUID);
    bool swapped = uuid[6] & 0x80 && uuid[8] > 0 && uuid[8] < 0x60;
    unsigned char plain[MYS_UUID];
    for (unsigned i = 0; i < MYS_UUID; i++)
        plain[i] = swapped ? uuid[order[i]] : uuid[i];
    mys_uuid_print(plain, text);
    obx_sql_text_puts(scratch, text);
    return true;
}

static bool print_inet(struct mys_cursor part, int family, struct obx_sql_text *scratch)
{
    unsigned char address[16] = {0};
    char text[INET6_ADDRSTRLEN];
    memcpy(address, part.at, mys_left(&part) < sizeof address ? mys_left(&part) : sizeof address);
    if (!inet_ntop(family, address, text, sizeof text))
        return false;
    obx_sql_text_puts(scratch, text);
    return true;
}

static bool pad(struct mys_cursor part, unsigned size, struct obx_sql_text *scratch)
{
    static const char zeros[256] = {0};
    size_t have = mys_left(&part);
    obx_sql_text_add(scratch, (const char *)part.at, have);
    obx_sql_text_add(scratch, zeros, size > have && size - have <= sizeof zeros ? size - have : 0);
    return !scratch->failed;
}

static bool read_bytes(const struct mys_log_column *column, struct mys_cursor part, struct obx_sql_text *scratch,
                       struct outbox_value *value)
{
    if (column->type != MYS_LT_STRING || mys_left(&part) >= column->meta) {
        set_bytes(value, OUTBOX_BYTES, part.at, mys_left(&part));
        return true;
    }
    return pad(part, column->meta, scratch) && set_scratch(value, OUTBOX_BYTES, scratch);
}

/* BINARY(16), and only that, is an id in 16 bytes; null otherwise, as in a SELECT. */
static bool read_uuid(const struct mys_log_column *column, struct mys_cursor part, struct obx_sql_text *scratch,
                      struct outbox_value *value)
{
    if (!read_bytes(column, part, scratch, value))
        return false;
    value->type = value->size == MYS_UUID ? OUTBOX_UUID : OUTBOX_NULL;
    return true;
}

static bool read_string(const struct mys_log_column *column, struct mys_cursor part, enum mys_log_as as,
                        struct obx_sql_text *scratch, struct outbox_value *value)
{
    switch (as) {
    case MYS_LOG_AS_BYTES:
        return read_bytes(column, part, scratch, value);
    case MYS_LOG_AS_UUID:
        return read_uuid(column, part, scratch, value);
    case MYS_LOG_AS_MARIADB_UUID:
        return print_uuid(part, scratch) && set_scratch(value, OUTBOX_TEXT, scratch);
    case MYS_LOG_AS_INET4:
        return print_inet(part, AF_INET, scratch) && set_scratch(value, OUTBOX_TEXT, scratch);
    case MYS_LOG_AS_INET6:
        return print_inet(part, AF_INET6, scratch) && set_scratch(value, OUTBOX_TEXT, scratch);
    case MYS_LOG_AS_TEXT:
        break;
    }
    set_bytes(value, OUTBOX_TEXT, part.at, mys_left(&part));
    return true;
}

static bool read_decimal(const struct mys_log_column *column, struct mys_cursor part, struct obx_sql_text *scratch,
                         struct outbox_value *value)
{
    return mys_decimal_print(scratch, column->meta >> 8, column->meta & 0xff, part.at) &&
           set_scratch(value, OUTBOX_TEXT, scratch);
}

bool mys_value_read(const struct mys_log_column *column, struct mys_cursor part, enum mys_log_as as,
                    struct obx_sql_text *scratch, struct outbox_value *value)
{
    obx_sql_text_clear(scratch);
    switch (column->type) {
    case MYS_LT_TINY:
    case MYS_LT_SHORT:
    case MYS_LT_INT24:
    case MYS_LT_LONG:
    case MYS_LT_LONGLONG:
        return read_int(column, part, scratch, value);
    case MYS_LT_YEAR:
        *value = (struct outbox_value){.as.integer = *part.at ? 1900 + *part.at : 0, .type = OUTBOX_INT};
        return true;
    case MYS_LT_FLOAT:
    case MYS_LT_DOUBLE:
        return read_real(part, value);
    case MYS_LT_NEWDECIMAL:
        return read_decimal(column, part, scratch, value);
    case MYS_LT_ENUM:
        return read_enum(column, part, value);
    case MYS_LT_SET:
        return read_set(column, part, scratch, value);
    case MYS_LT_JSON:
        return mys_json_print(scratch, part) && set_scratch(value, OUTBOX_TEXT, scratch);
    case MYS_LT_BIT:
        set_bytes(value, OUTBOX_BYTES, part.at, mys_left(&part));
        return true;
    case MYS_LT_GEOMETRY:
    case MYS_LT_VECTOR:
        set_bytes(value, OUTBOX_TEXT, part.at, mys_left(&part));
        return true;
    case MYS_LT_STRING:
    case MYS_LT_VARCHAR:
    case MYS_LT_VAR_STRING:
    case MYS_LT_BLOB:
        return read_string(column, part, as, scratch, value);
    default:
        mys_temporal_read(column, part, scratch, value);
        return !scratch->failed;
    }
}
