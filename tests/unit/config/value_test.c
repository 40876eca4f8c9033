/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/config/value_test.c - reads and writes numbers with units */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "config/value.h"

struct sample {
    const char *text;
    enum obx_value result;
    int64_t value;
};

static void expect(const char *what, enum obx_value (*read)(const char *, int64_t *), const struct sample *samples,
                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t value = 0;
        cr_expect_eq(read(samples[i].text, &value), samples[i].result, "%s '%s'", what, samples[i].text);
        if (samples[i].result == OBX_VALUE_OK)
            cr_expect_eq(value, samples[i].value, "%s '%s': %lld", what, samples[i].text, (long long)value);
    }
}

Test(value, integers_are_parsed_and_overflow_is_detected)
{
    static const struct sample samples[] = {
        {"0", OBX_VALUE_OK, 0},
        {"-7", OBX_VALUE_OK, -7},
        {"+7", OBX_VALUE_OK, 7},
        {"007", OBX_VALUE_OK, 7},
        {"9223372036854775807", OBX_VALUE_OK, INT64_MAX},
        {"-9223372036854775808", OBX_VALUE_OK, INT64_MIN},
        {"9223372036854775808", OBX_VALUE_TOO_LARGE, 0},
        {"-9223372036854775809", OBX_VALUE_TOO_LARGE, 0},
        {"99999999999999999999999999", OBX_VALUE_TOO_LARGE, 0},
        {"99999999999999999999999999x", OBX_VALUE_BAD, 0},
        {"", OBX_VALUE_BAD, 0},
        {"-", OBX_VALUE_BAD, 0},
        {"--1", OBX_VALUE_BAD, 0},
        {" 1", OBX_VALUE_BAD, 0},
        {"1 ", OBX_VALUE_BAD, 0},
        {"1.0", OBX_VALUE_BAD, 0},
        {"0x10", OBX_VALUE_BAD, 0},
        {"1_000", OBX_VALUE_BAD, 0},
    };
    expect("int", obx_value_int, samples, OBX_COUNT(samples));
}

Test(value, sizes_accept_their_units)
{
    static const struct sample samples[] = {
        {"0", OBX_VALUE_OK, 0},
        {"65536", OBX_VALUE_OK, 65536},
        {"1B", OBX_VALUE_OK, 1},
        {"64KiB", OBX_VALUE_OK, 65536},
        {"64 kib", OBX_VALUE_OK, 65536},
        {"16MiB", OBX_VALUE_OK, 16 << 20},
        {"3GiB", OBX_VALUE_OK, 3ll << 30},
        {"1TiB", OBX_VALUE_OK, 1ll << 40},
        {"2kB", OBX_VALUE_OK, 2000},
        {"2k", OBX_VALUE_OK, 2000},
        {"2K", OBX_VALUE_OK, 2000},
        {"2MB", OBX_VALUE_OK, 2000000},
        {"2M", OBX_VALUE_OK, 2000000},
        {"2G", OBX_VALUE_OK, 2000000000},
        {"8388607TiB", OBX_VALUE_OK, 8388607ll << 40},
        {"8388608TiB", OBX_VALUE_TOO_LARGE, 0},
        {"1.5MiB", OBX_VALUE_BAD, 0},
        {"MiB", OBX_VALUE_BAD, 0},
        {"1 ", OBX_VALUE_BAD, 0},
        {"1Mi", OBX_VALUE_BAD, 0},
        {"1 MiB x", OBX_VALUE_BAD, 0},
    };
    expect("size", obx_value_size, samples, OBX_COUNT(samples));
}

Test(value, durations_need_a_unit)
{
    static const struct sample samples[] = {
        {"0", OBX_VALUE_OK, 0},
        {"-0", OBX_VALUE_OK, 0},
        {"250ms", OBX_VALUE_OK, 250},
        {"10s", OBX_VALUE_OK, 10000},
        {"10 s", OBX_VALUE_OK, 10000},
        {"5m", OBX_VALUE_OK, 300000},
        {"1h", OBX_VALUE_OK, 3600000},
        {"2d", OBX_VALUE_OK, 172800000},
        {"-1s", OBX_VALUE_OK, -1000},
        {"10", OBX_VALUE_NO_UNIT, 0},
        {"106751991168d", OBX_VALUE_TOO_LARGE, 0},
        {"10us", OBX_VALUE_BAD, 0},
        {"s", OBX_VALUE_BAD, 0},
        {"", OBX_VALUE_BAD, 0},
        {"1h30m", OBX_VALUE_BAD, 0},
    };
    expect("duration", obx_value_duration, samples, OBX_COUNT(samples));
}

Test(value, booleans_have_six_words)
{
    static const char *const words[2][4] = {{"false", "no", "OFF", "False"}, {"true", "Yes", "on", "TRUE"}};
    bool value;
    for (int truth = 0; truth < 2; truth++)
        for (int i = 0; i < 4; i++) {
            value = !truth;
            cr_expect(obx_value_bool(words[truth][i], &value), "%s", words[truth][i]);
            cr_expect_eq(value, truth);
        }
    cr_expect_not(obx_value_bool("", &value));
    cr_expect_not(obx_value_bool("1", &value));
    cr_expect_not(obx_value_bool("truth", &value));
}

Test(value, written_values_can_be_read_back)
{
    static const int64_t numbers[] = {0,    1,       999,      1000,      1023,          1024,      1536,
                                      4096, 1 << 20, 1000000,  3ll << 30, 5ll << 40,     60000,     90000,
                                      -1,   -1024,   86400000, 3600001,   7777777777777, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < OBX_COUNT(numbers); i++) {
        char text[OBX_VALUE_TEXT];
        int64_t value;
        cr_expect_eq(obx_value_size(obx_value_size_text(numbers[i], text), &value), OBX_VALUE_OK, "%s", text);
        cr_expect_eq(value, numbers[i], "size %s", text);
        cr_expect_eq(obx_value_duration(obx_value_duration_text(numbers[i], text), &value), OBX_VALUE_OK, "%s", text);
        cr_expect_eq(value, numbers[i], "duration %s", text);
        cr_expect_eq(obx_value_int(obx_value_print(OUTBOX_OPT_INT, numbers[i], text), &value), OBX_VALUE_OK);
        cr_expect_eq(value, numbers[i], "int %s", text);
    }
    char text[OBX_VALUE_TEXT];
    cr_expect_str_eq(obx_value_size_text(16 << 20, text), "16MiB");
    cr_expect_str_eq(obx_value_size_text(1000, text), "1000B");
    cr_expect_str_eq(obx_value_duration_text(90000, text), "90s");
    cr_expect_str_eq(obx_value_print(OUTBOX_OPT_DURATION, 3600000, text), "1h");
}
