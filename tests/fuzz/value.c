/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/value.c - sizes, durations and numbers: what is read is written, and read as the same */
#include "fuzz.h"

#include <stdlib.h>

#include "config/value.h"

static void check_number(int64_t number)
{
    char text[OBX_VALUE_TEXT];
    int64_t again = -1;
    FUZZ_CHECK(obx_value_size(obx_value_size_text(number, text), &again) == OBX_VALUE_OK && again == number);
    FUZZ_CHECK(obx_value_duration(obx_value_duration_text(number, text), &again) == OBX_VALUE_OK && again == number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, data + size};
    char *text = fuzz_whole_text(data, size);
    int64_t number = 0;
    bool truth;
    if (obx_value_size(text, &number) == OBX_VALUE_OK) {
        check_number(number);
    }
    if (obx_value_duration(text, &number) == OBX_VALUE_OK) {
        check_number(number);
    }
    if (obx_value_int(text, &number) == OBX_VALUE_OK)
        FUZZ_CHECK(number == strtoll(text, NULL, 10));
    obx_value_bool(text, &truth);
    check_number((int64_t)fuzz_int(&input, 8));
    free(text);
    return 0;
}
