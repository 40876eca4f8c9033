/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/config/file_test.c - the configuration file, and files of secrets */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "config/limits.h"
#include "mem_fault.h"

static char dir[] = "/tmp/obx-config-XXXXXX";

/* Each test runs in its own directory, so error texts are predictable. */
static void enter(void)
{
    cr_assert_not_null(mkdtemp(dir));
    cr_assert_eq(chdir(dir), 0);
    unsetenv("CREDENTIALS_DIRECTORY");
}

static void leave(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(system(command), 0);
}

static void write_file(const char *path, const char *bytes, size_t size, mode_t mode)
{
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, size, file), size);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(chmod(path, mode), 0);
}

TestSuite(file, .init = enter);
TestSuite(secret_file, .init = enter);

Test(file, configuration_is_read)
{
    struct obx_config *config;
    write_file("outbox.yaml",
               "\xef\xbb\xbf"
               "a: b\n",
               8, 0600);
    cr_assert_eq(obx_config_read("outbox.yaml", &config, NULL), 0);
    cr_expect_str_eq(obx_section_scalar(obx_config_root(config), "a", NULL), "b");
    cr_expect_str_eq(obx_section_key(obx_config_root(config), 0), "a");
    cr_expect_null(obx_section_key(obx_config_root(config), 1));
    obx_config_free(config);
    obx_config_free(NULL);
    leave();
    cr_assert_eq(mem_live(), 0);
}

static void expect_unreadable(const char *path, int code, const char *text)
{
    struct obx_config *config;
    struct outbox_error error = {0};
    cr_expect_eq(obx_config_read(path, &config, &error), code, "%s", error.text);
    cr_expect_eq(error.code, code);
    cr_expect_null(config);
    cr_expect_str_eq(error.text, text, "%s", error.text);
}

Test(file, failure_has_advice)
{
    expect_unreadable(
        "none.yaml", OUTBOX_E_NOT_FOUND,
        "read configuration none.yaml: no such file; name an existing one with -c FILE or $OUTBOX_CONFIG");
    write_file("bad.yaml", "a: [", 4, 0600);
    expect_unreadable("bad.yaml", OUTBOX_E_CONFIG,
                      "bad.yaml:1:4: lists are not supported; write the items in one value, separated by commas");
    expect_unreadable(
        "bad.yaml/x", OUTBOX_E_NOT_FOUND,
        "read configuration bad.yaml/x: no such file; name an existing one with -c FILE or $OUTBOX_CONFIG");
    cr_assert_eq(mkdir("d", 0700), 0);
    expect_unreadable("d", OUTBOX_E_CONFIG, "read configuration d: it is a directory; name the file in it");
    cr_assert_eq(mkfifo("pipe", 0600), 0);
    expect_unreadable("pipe", OUTBOX_E_CONFIG,
                      "read configuration pipe: it is a pipe without a writer; name a regular file");
    cr_assert_eq(symlink("loop", "loop"), 0);
    expect_unreadable("loop", OUTBOX_E_IO, "read configuration loop: Too many levels of symbolic links");
    leave();
    cr_assert_eq(mem_live(), 0);
}

Test(file, pipe_with_a_writer_is_read)
{
    struct obx_config *config;
    int ends[2];
    char path[32];
    cr_assert_eq(pipe(ends), 0);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    if (fork() == 0) { /* the second half is written after the first half was read */
        int left = 1;
        cr_assert_eq(write(ends[1], "a:", 2), 2);
        while (ioctl(ends[0], FIONREAD, &left) == 0 && left)
            sched_yield();
        cr_assert_eq(write(ends[1], " b\n", 3), 3);
        _exit(0);
    }
    close(ends[1]);
    cr_assert_eq(obx_config_read(path, &config, NULL), 0);
    cr_expect_str_eq(obx_section_scalar(obx_config_root(config), "a", NULL), "b");
    obx_config_free(config);
    close(ends[0]);
    leave();
    cr_assert_eq(mem_live(), 0);
}

Test(file, unreadable_file_is_a_permission_error)
{
    write_file("locked.yaml", "a: b\n", 5, 0);
    if (access("locked.yaml", R_OK) == 0) { /* root reads everything: become nobody */
        cr_assert_eq(chmod(".", 0755), 0);
        cr_assert_eq(seteuid(65534), 0);
    }
    expect_unreadable("locked.yaml", OUTBOX_E_PERMISSION,
                      "read configuration locked.yaml: permission denied; let the user that runs outbox read it");
    if (getuid() == 0)
        cr_assert_eq(seteuid(0), 0);
    leave();
    cr_assert_eq(mem_live(), 0);
}

Test(file, file_that_everyone_can_write_is_refused)
{
    write_file("shared.yaml", "a: b\n", 5, 0600);
    cr_assert_eq(chmod("shared.yaml", 0602), 0);
    expect_unreadable(
        "shared.yaml", OUTBOX_E_CONFIG,
        "read configuration shared.yaml: everyone can write it, and it names plugins, which are code; run "
        "chmod o-w on it");
    leave();
    cr_assert_eq(mem_live(), 0);
}

Test(file, too_large_file_is_refused)
{
    size_t size = OBX_CONFIG_MAX_SIZE + 1;
    char *text = calloc(1, size);
    memset(text, '\n', size);
    write_file("large.yaml", text, size, 0600);
    expect_unreadable("large.yaml", OUTBOX_E_CONFIG,
                      "large.yaml:1:1: the file is larger than 1MiB, the limit of a configuration");
    write_file("large.yaml", text, size - 1, 0600);
    struct obx_config *config;
    cr_expect_eq(obx_config_read("large.yaml", &config, NULL), 0);
    obx_config_free(config);
    free(text);
    leave();
    cr_assert_eq(mem_live(), 0);
}

/* ---- secrets ---- */

struct target {
    const char *dsn;
    const char *table;
    struct outbox_map client;
};

static const struct outbox_option options[] = {
    {"dsn", OUTBOX_OPT_STRING, OUTBOX_OPT_SECRET, offsetof(struct target, dsn), NULL, 0, 0, NULL, ""},
    {"table", OUTBOX_OPT_STRING, 0, offsetof(struct target, table), NULL, 0, 0, NULL, ""},
    {"client", OUTBOX_OPT_MAP, 0, offsetof(struct target, client), NULL, 0, 0, NULL, ""},
};

static struct obx_config *apply(const char *text, struct target *target, struct outbox_error *error)
{
    struct obx_config *config;
    cr_assert_eq(obx_config_parse("f.yaml", text, strlen(text), &config, error), 0);
    obx_options_apply(options, OBX_COUNT(options), sizeof *options, NULL, obx_config_root(config), target, error);
    return config;
}

static void expect_dsn(const char *line, const char *expected)
{
    struct target target = {0};
    struct outbox_error error = {0};
    struct obx_config *config = apply(line, &target, &error);
    const char *found = error.code ? error.text : target.dsn;
    cr_expect(error.code == 0 || error.code == OUTBOX_E_CONFIG);
    cr_expect_str_eq(found, expected, "%s: %s", line, found);
    obx_config_free(config);
}

Test(secret_file, content_replaces_the_reference)
{
    write_file("one", "host=a password=b\n", 18, 0600);
    write_file("two", "no newline", 10, 0640);
    write_file("three", "two\n\n", 5, 0600);
    cr_assert_eq(mkdir("d", 0700), 0);
    write_file("four", "postgresql://u@h/db\r\n", 21, 0600);
    write_file("d/one", "in d", 4, 0400);
    setenv("OBX_WHERE", "d", 1);
    expect_dsn("dsn: file:one", "host=a password=b");
    expect_dsn("dsn: 'file:two'", "no newline");
    expect_dsn("dsn: file:three", "two\n");
    expect_dsn("dsn: file:four", "postgresql://u@h/db");
    expect_dsn("dsn: file:${OBX_WHERE}/one", "in d");
    expect_dsn("dsn: ' file:one'", " file:one");
    leave();
    cr_assert_eq(mem_live(), 0);
}

Test(secret_file, credentials_directory_is_tried_first)
{
    write_file("one", "here", 4, 0600);
    write_file("two", "here", 4, 0600);
    cr_assert_eq(mkdir("d", 0700), 0);
    write_file("d/one", "credential", 10, 0400);
    setenv("CREDENTIALS_DIRECTORY", "d", 1);
    expect_dsn("dsn: file:one", "credential");
    expect_dsn("dsn: file:two", "here");
    expect_dsn("dsn: file:./one", "here");
    write_file("d/two", "x", 1, 0644);
    expect_dsn("dsn: file:two", "f.yaml:1:6: read secret file d/two for 'dsn': everyone can read it; run chmod o-r on "
                                "it, or set mode 0440 where a container mounts it");
    expect_dsn("dsn: file:three", "f.yaml:1:6: read secret file three for 'dsn': no such file; create it or correct "
                                  "the path");
    leave();
    cr_assert_eq(mem_live(), 0);
}

Test(secret_file, unreadable_secret_is_a_configuration_error)
{
    struct target target = {0};
    struct outbox_error error = {0};
    write_file("locked", "x", 1, 0);
    if (access("locked", R_OK) == 0) {
        cr_assert_eq(chmod(".", 0755), 0);
        cr_assert_eq(seteuid(65534), 0);
    }
    struct obx_config *config = apply("dsn: file:locked", &target, &error);
    cr_expect_eq(error.code, OUTBOX_E_CONFIG);
    cr_expect_str_eq(error.text, "f.yaml:1:6: read secret file locked for 'dsn': permission denied; let the user that "
                                 "runs outbox read it");
    if (getuid() == 0)
        cr_assert_eq(seteuid(0), 0);
    obx_config_free(config);
    leave();
    cr_assert_eq(mem_live(), 0);
}

Test(secret_file, unsuitable_file_is_refused)
{
    static char large[OBX_SECRET_MAX_SIZE + 1];
    memset(large, 'x', sizeof large);
    write_file("open", "x", 1, 0604);
    write_file("shared", "x", 1, 0600);
    cr_assert_eq(chmod("shared", 0602), 0);
    write_file("empty", "\n", 1, 0600);
    write_file("nul", "a\0b", 3, 0600);
    write_file("large", large, sizeof large, 0600);
    cr_assert_eq(mkdir("d", 0700), 0);
    cr_assert_eq(mkfifo("pipe", 0600), 0);
    expect_dsn("dsn: 'file:'", "f.yaml:1:6: read secret file  for 'dsn': no path; write file:PATH");
    expect_dsn("dsn: file:open", "f.yaml:1:6: read secret file open for 'dsn': everyone can read it; run chmod o-r on "
                                 "it, or set mode 0440 where a container mounts it");
    expect_dsn("dsn: file:shared",
               "f.yaml:1:6: read secret file shared for 'dsn': everyone can write it; run chmod o-w on it");
    expect_dsn("dsn: file:empty",
               "f.yaml:1:6: read secret file empty for 'dsn': it is empty; write the secret into it");
    expect_dsn("dsn: file:nul", "f.yaml:1:6: read secret file nul for 'dsn': it contains a NUL character; name a text "
                                "file");
    expect_dsn("dsn: file:large", "f.yaml:1:6: read secret file large for 'dsn': it is larger than 64KiB; name a file "
                                  "that contains only the secret");
    expect_dsn("dsn: file:d", "f.yaml:1:6: read secret file d for 'dsn': it is not a regular file; name a file that "
                              "contains only the secret");
    expect_dsn("dsn: file:pipe", "f.yaml:1:6: read secret file pipe for 'dsn': it is not a regular file; name a file "
                                 "that contains only the secret");
    expect_dsn("dsn: file:empty/x", "f.yaml:1:6: read secret file empty/x for 'dsn': Not a directory");
    leave();
    cr_assert_eq(mem_live(), 0);
}

/* As Kubernetes mounts a secret of default mode. */
Test(secret_file, everyone_may_read_a_secret_on_a_read_only_tmpfs)
{
    cr_assert_eq(mkdir("d", 0755), 0);
    if (mount("tmpfs", "d", "tmpfs", 0, "size=1m")) {
        leave();
        cr_skip_test("needs root to mount a tmpfs");
    }
    write_file("d/one", "mounted", 7, 0644);
    expect_dsn("dsn: file:d/one",
               "f.yaml:1:6: read secret file d/one for 'dsn': everyone can read it; run chmod o-r on "
               "it, or set mode 0440 where a container mounts it");
    cr_expect_eq(mount(NULL, "d", NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
    expect_dsn("dsn: file:d/one", "mounted");
    cr_expect_eq(umount("d"), 0);
    leave();
    cr_assert_eq(mem_live(), 0);
}

Test(secret_file, only_secrets_are_read_from_files)
{
    write_file("one", "secret", 6, 0600);
    setenv("OBX_FILE", "file:one", 1);
    struct target target = {0};
    struct outbox_error error = {0};
    struct obx_config *config = apply("dsn: ${OBX_FILE}\ntable: file:one\n"
                                      "client: {ssl.key.password: 'file:one', client.id: 'file:one'}\n",
                                      &target, &error);
    cr_assert_eq(error.code, 0, "%s", error.text);
    cr_expect_str_eq(target.dsn, "file:one", "a value from the environment is not expanded");
    cr_expect_str_eq(target.table, "file:one");
    cr_expect_str_eq(target.client.items[0].value, "secret");
    cr_expect_str_eq(target.client.items[1].value, "file:one");
    obx_config_free(config);
    leave();
    cr_assert_eq(mem_live(), 0);
}
