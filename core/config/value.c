/* SPDX-License-Identifier: Apache-2.0 */
/* core/config/value.c - one reader for "number unit", with two tables of units; overflow is a separate result */
#include "config/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    int64_t factor;
};

/* Writing uses the first unit that divides the number. */
static const struct unit sizes[] = {
    {"TiB", 1ll << 40},
    {"GiB", 1 << 30},
    {"MiB", 1 << 20},
    {"KiB", 1 << 10},
    {"B", 1},
    {"kB", 1000},
    {"MB", 1000000},
    {"GB", 1000000000},
    {"TB", 1000000000000ll},
    {"k", 1000},
    {"M", 1000000},
    {"G", 1000000000},
    {"T", 1000000000000ll},
    {NULL, 0},
};
static const struct unit durations[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};

bool obx_value_bool(const char *text, bool *value)
{
    static const char *const words[2][3] = {{"false", "no", "off"}, {"true", "yes", "on"}};
    for (int truth = 0; truth < 2; truth++)
        for (int i = 0; i < 3; i++)
            if (!strcasecmp(text, words[truth][i])) {
                *value = truth;
                return true;
            }
    return false;
}

/* Digits with an optional sign; end is where they stop. */
static enum obx_value read_number(const char *text, int64_t *value, const char **end)
{
    bool negative = *text == '-';
    const char *at = text + (*text == '-' || *text == '+');
    enum obx_value result = *at >= '0' && *at <= '9' ? OBX_VALUE_OK : OBX_VALUE_BAD;
    int64_t number = 0; /* counts down: INT64_MIN has no positive counterpart */
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(number, 10, &number) || __builtin_sub_overflow(number, *at - '0', &number))
            result = OBX_VALUE_TOO_LARGE;
    *end = at;
    if (result == OBX_VALUE_OK && !negative && __builtin_sub_overflow(0, number, &number))
        result = OBX_VALUE_TOO_LARGE;
    *value = number;
    return result;
}

enum obx_value obx_value_int(const char *text, int64_t *value)
{
    const char *end;
    enum obx_value result = read_number(text, value, &end);
    return *end ? OBX_VALUE_BAD : result;
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
    for (; units->name; units++)
        if (!strcasecmp(units->name, name))
            return units;
    return NULL;
}

static enum obx_value read_with_unit(const char *text, const struct unit *units, int64_t *value)
{
    const char *end;
    enum obx_value result = read_number(text, value, &end);
    if (result == OBX_VALUE_BAD || !*end)
        return result == OBX_VALUE_OK ? OBX_VALUE_NO_UNIT : result;
    const struct unit *unit = find_unit(units, end + strspn(end, " "));
    if (!unit)
        return OBX_VALUE_BAD;
    if (result == OBX_VALUE_OK && __builtin_mul_overflow(*value, unit->factor, value))
        return OBX_VALUE_TOO_LARGE;
    return result;
}

enum obx_value obx_value_size(const char *text, int64_t *bytes)
{
    enum obx_value result = read_with_unit(text, sizes, bytes);
    return result == OBX_VALUE_NO_UNIT ? OBX_VALUE_OK : result;
}

enum obx_value obx_value_duration(const char *text, int64_t *ms)
{
    enum obx_value result = read_with_unit(text, durations, ms);
    return result == OBX_VALUE_NO_UNIT && *ms == 0 ? OBX_VALUE_OK : result;
}

static const char *write_with_unit(int64_t value, const struct unit *units, char *text)
{
    while (value % units->factor)
        units++;
    snprintf(text, OBX_VALUE_TEXT, "%" PRId64 "%s", value / units->factor, units->name);
    return text;
}

const char *obx_value_size_text(int64_t bytes, char text[OBX_VALUE_TEXT])
{
    return bytes ? write_with_unit(bytes, sizes, text) : "0";
}

const char *obx_value_duration_text(int64_t ms, char text[OBX_VALUE_TEXT])
{
    return ms ? write_with_unit(ms, durations, text) : "0";
}

const char *obx_value_print(uint32_t type, int64_t value, char text[OBX_VALUE_TEXT])
{
    if (type == OUTBOX_OPT_SIZE)
        return obx_value_size_text(value, text);
    if (type == OUTBOX_OPT_DURATION)
        return obx_value_duration_text(value, text);
    snprintf(text, OBX_VALUE_TEXT, "%" PRId64, value);
    return text;
}
