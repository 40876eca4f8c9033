/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/config/memory_test.c - every allocation of reading and applying fails once: NO_MEMORY, and no leak */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "mem_fault.h"

struct target {
    const char *name;
    const char *secret;
    struct outbox_map headers;
    struct outbox_map client;
};

static const struct outbox_option options[] = {
    {"name", OUTBOX_OPT_STRING, 0, offsetof(struct target, name), NULL, 0, 0, NULL, ""},
    {"secret", OUTBOX_OPT_STRING, OUTBOX_OPT_SECRET, offsetof(struct target, secret), NULL, 0, 0, NULL, ""},
    {"headers", OUTBOX_OPT_MAP, 0, offsetof(struct target, headers), "{a: b, c: d}", 0, 0, NULL, ""},
    {"client", OUTBOX_OPT_MAP, 0, offsetof(struct target, client), NULL, 0, 0, NULL, ""},
};

static int load(const char *path, struct obx_config **config, struct target *target, struct outbox_error *error)
{
    const struct obx_section *section, *absent;
    int code = obx_config_read(path, config, error);
    if (!code)
        code = obx_section_child(obx_config_root(*config), "store", &section, error);
    if (!code)
        code = obx_section_child(section, "absent", &absent, error);
    if (!code && !obx_section_scalar(section, "name", error))
        code = error->code;
    return code ? code : obx_options_apply(options, OBX_COUNT(options), sizeof *options, NULL, section, target, error);
}

static void write_file(char *path, const char *text)
{
    int fd = mkstemp(path);
    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    cr_assert_eq(fchmod(fd, 0600), 0);
    close(fd);
}

/* The number of failed allocations before the first success. */
static size_t fail_each(const char *path, bool persistent)
{
    for (size_t n = 1;; n++) {
        struct target target = {0};
        struct obx_config *config = NULL;
        struct outbox_error error = {0};
        mem_fail_at(n, persistent);
        int code = load(path, &config, &target, &error);
        bool failed = mem_failed();
        mem_fail_at(0, false);
        cr_assert_eq(code, failed ? OUTBOX_E_NO_MEMORY : OUTBOX_OK, "allocation %zu: %d %s", n, code, error.text);
        if (failed)
            cr_expect_str_eq(error.text, "out of memory");
        else
            cr_expect_str_eq(target.secret, "hush");
        obx_config_free(config);
        cr_assert_eq(mem_live(), 0, "allocation %zu leaks", n);
        if (!failed)
            return n - 1;
    }
}

Test(memory, every_failed_allocation_is_reported_without_a_leak)
{
    char path[] = "/tmp/obx-config-XXXXXX", secret[] = "/tmp/obx-secret-XXXXXX";
    write_file(path, "store:\n  name: ${OBX_NAME} x\n  secret: file:${OBX_SECRET}\n  client: {a: b}\n");
    write_file(secret, "hush\n");
    setenv("OBX_NAME", "value", 1);
    setenv("CREDENTIALS_DIRECTORY", "/tmp", 1);
    setenv("OBX_SECRET", strrchr(secret, '/') + 1, 1);
    cr_expect_gt(fail_each(path, false), 30);
    cr_expect_gt(fail_each(path, true), 30);
    unlink(path);
    unlink(secret);
}
