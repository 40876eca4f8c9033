/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/check_part_test.c - which status, and so which exit code, the findings of a check have */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "embed/check_part.h"

static void count(void *arg, const char *name, const struct outbox_finding *finding)
{
    cr_assert_str_eq(name, "store");
    *(uint32_t *)arg += finding->struct_size == sizeof *finding;
}

static int status_of(const struct outbox_finding *findings, uint32_t findings_count)
{
    static const struct outbox_error none = {.code = OUTBOX_OK};
    uint32_t seen = 0;
    const struct obx_check_report report = {.finding = count, .arg = &seen};
    struct obx_check_part part = {.report = &report, .name = "store"};
    for (uint32_t i = 0; i < findings_count; i++)
        obx_check_part_report(&part, &findings[i]);
    cr_assert_eq(seen, findings_count);
    return obx_check_part_status(&part, &none);
}

#define FINDING(severity_, code_)                                                                               \
    {                                                                                                           \
        .struct_size = sizeof(struct outbox_finding), .severity = (severity_), .reason = "why", .code = (code_) \
    }
#define STATUS(...)                                         \
    status_of((const struct outbox_finding[]){__VA_ARGS__}, \
              (uint32_t)(sizeof((const struct outbox_finding[]){__VA_ARGS__}) / sizeof(struct outbox_finding)))
#define DENIED FINDING(OUTBOX_SEVERITY_ERROR, OUTBOX_E_PERMISSION)
#define AWAY FINDING(OUTBOX_SEVERITY_ERROR, OUTBOX_E_NOT_CONNECTED)
#define WRONG FINDING(OUTBOX_SEVERITY_ERROR, 0)

Test(check_part, cause_of_the_errors_is_the_status)
{
    cr_expect_eq(STATUS(DENIED), OUTBOX_E_PERMISSION);
    cr_expect_eq(STATUS(AWAY), OUTBOX_E_NOT_CONNECTED);
    cr_expect_eq(STATUS(WRONG), OUTBOX_E_CONFIG);
    cr_expect_eq(STATUS(FINDING(OUTBOX_SEVERITY_OK, 0), FINDING(OUTBOX_SEVERITY_WARNING, OUTBOX_E_PERMISSION)),
                 OUTBOX_OK);
}

/* As the exit codes: 78 before 77 before 69. */
Test(check_part, most_important_cause_counts_in_any_order)
{
    cr_expect_eq(STATUS(AWAY, DENIED), OUTBOX_E_PERMISSION);
    cr_expect_eq(STATUS(DENIED, AWAY), OUTBOX_E_PERMISSION);
    cr_expect_eq(STATUS(WRONG, DENIED), OUTBOX_E_CONFIG);
    cr_expect_eq(STATUS(DENIED, WRONG), OUTBOX_E_CONFIG);
}

/* It has no cause. */
Test(check_part, finding_of_an_older_plugin_is_of_the_configuration)
{
    struct outbox_finding old = DENIED;
    old.struct_size = offsetof(struct outbox_finding, code);
    cr_expect_eq(STATUS(old), OUTBOX_E_CONFIG);
}
