/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/base/float_text_test.c - the shortest digits that read back the same, in Postgres's format */
#include <criterion/criterion.h>

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/float_text.h"

static void expect(double value, bool single, const char *wanted)
{
    char text[OBX_FLOAT_TEXT_SIZE];
    size_t size = obx_float_text(value, single, text);
    cr_expect_str_eq(text, wanted);
    cr_expect_eq(size, strlen(text));
}

Test(float_text, doubles_have_their_shortest_digits)
{
    expect(0.1, false, "0.1");
    expect(19.99, false, "19.99");
    expect(0.1 + 0.2, false, "0.30000000000000004");
    expect(1.0 / 3, false, "0.3333333333333333");
    expect(0, false, "0");
    expect(-0.0, false, "-0");
    expect(-1.5, false, "-1.5");
    expect(1, false, "1");
    expect(100000, false, "100000");
    expect(123456789012345, false, "123456789012345");
    expect(1e15, false, "1e+15");
    expect(1234567890123456.7, false, "1.2345678901234568e+15");
    expect(0.0001, false, "0.0001");
    expect(0.00012345, false, "0.00012345");
    expect(0.00001, false, "1e-05");
    expect(1e300, false, "1e+300");
    expect(DBL_MAX, false, "1.7976931348623157e+308");
    expect(DBL_TRUE_MIN, false, "5e-324");
}

Test(float_text, floats_have_their_shortest_digits)
{
    expect(0.1f, true, "0.1");
    expect(19.99f, true, "19.99");
    expect(16777216.0f, true, "1.6777216e+07");
    expect(100000.0f, true, "100000");
    expect(1000000.0f, true, "1e+06");
    expect(FLT_MAX, true, "3.4028235e+38");
    expect(FLT_TRUE_MIN, true, "1e-45");
}

Test(float_text, not_a_number_and_infinity_have_names)
{
    expect(NAN, false, "NaN");
    expect(INFINITY, false, "Infinity");
    expect(-INFINITY, true, "-Infinity");
}

Test(float_text, text_reads_back_the_same)
{
    uint64_t state = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        char text[OBX_FLOAT_TEXT_SIZE];
        double value;
        float narrow;
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        memcpy(&value, &state, sizeof value);
        memcpy(&narrow, &state, sizeof narrow);
        if (!isfinite(value) || !isfinite(narrow))
            continue;
        obx_float_text(value, false, text);
        cr_assert_eq(strtod(text, NULL), value, "%s", text);
        obx_float_text((double)narrow, true, text);
        cr_assert_eq(strtof(text, NULL), narrow, "%s", text);
    }
}

/* An application that embeds a relay may have set any locale. */
Test(float_text, locale_does_not_matter)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "C"};
    for (size_t i = 0; i < sizeof names / sizeof *names && !setlocale(LC_NUMERIC, names[i]); i++) {
    }
    expect(19.99, false, "19.99");
    expect(1.5e-7, false, "1.5e-07");
}
