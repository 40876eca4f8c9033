/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conformance/criterion.h - the checks as Criterion tests of one subject
 *
 *     #define CONF_SUITE memory_store
 *     static const struct conf_subject subject = {...};
 *     CONF_STORE_CHECKS(CONF_STORE_TEST)
 */
#ifndef OBX_TESTS_CONFORMANCE_CRITERION_H
#define OBX_TESTS_CONFORMANCE_CRITERION_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "checks.h"
#include "mem_fault.h"

/* A skipped check prints its reason on stderr, where the runner shows it, and passes. */
static inline void conf_criterion_run(const char *name, enum outbox_kind kind,
                                      void (*run)(struct conf_fixture *fixture), const struct conf_subject *subject)
{
    char why[CONF_WHY_SIZE] = "";
    const struct conf_check check = {name, kind, run};
    enum conf_result result = conf_run(&check, subject, why);
    if (result == CONF_SKIPPED)
        fprintf(stderr, "%s: skipped: %s\n", name, why);
    cr_assert(result != CONF_FAILED, "%s", why);
}

#define CONF_STORE_TEST(name)                                           \
    Test(CONF_SUITE, name)                                              \
    {                                                                   \
        conf_criterion_run(#name, OUTBOX_STORE, conf_##name, &subject); \
    }
#define CONF_BROKER_TEST(name)                                           \
    Test(CONF_SUITE, name)                                               \
    {                                                                    \
        conf_criterion_run(#name, OUTBOX_BROKER, conf_##name, &subject); \
    }

#endif
