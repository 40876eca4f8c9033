/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/version_test.c - the version in numbers and in text is one version */
#include <criterion/criterion.h>
#include <stdio.h>

#include <outbox/version.h>

Test(version, version_text_and_numbers_agree)
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", OUTBOX_VERSION_MAJOR, OUTBOX_VERSION_MINOR, OUTBOX_VERSION_PATCH);
    cr_assert_str_eq(OUTBOX_VERSION_STRING, text);
}

#if OUTBOX_VERSION < OUTBOX_VERSION_NUMBER(0, 1, 0)
#error a comparison by the preprocessor does not work
#endif

Test(version, versions_compare_as_numbers)
{
    cr_assert_gt(OUTBOX_VERSION_NUMBER(0, 10, 0), OUTBOX_VERSION_NUMBER(0, 9, 99));
    cr_assert_gt(OUTBOX_VERSION_NUMBER(1, 0, 0), OUTBOX_VERSION_NUMBER(0, 999, 999));
    cr_assert_lt(OUTBOX_VERSION, OUTBOX_VERSION_NUMBER(OUTBOX_VERSION_MAJOR, OUTBOX_VERSION_MINOR + 1, 0));
}
