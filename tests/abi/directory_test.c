/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/directory_test.c - the plugin directory: missing modules, files that are not plugins, and permissions */
#pragma GCC diagnostic ignored "-Wformat-extra-args"
#include <sys/stat.h>
#include <unistd.h>

#include "abi.h"
#include "plugin_fixture.h"

static char directory[128];

static void make_directory(void)
{
    strcpy(directory, "/tmp/outbox-abi-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
}

static void remove_directory(void)
{
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    cr_assert_eq(system(command), 0);
}

static void path_of(const char *file, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", directory, file);
}

static void write_file(const char *file, const char *text, mode_t mode)
{
    char path[256];
    path_of(file, path, sizeof path);
    FILE *out = fopen(path, "w");
    cr_assert_not_null(out);
    fputs(text, out);
    fclose(out);
    cr_assert_eq(chmod(path, mode), 0);
}

Test(directory, missing_plugin_is_reported_with_the_available_ones)
{
    struct abi abi;
    make_directory();
    write_file("outbox-store-sqlite.so", "", 0644);
    write_file("outbox-broker-kafka.so", "", 0644);
    write_file("outbox-store-.so", "", 0644);
    write_file("README", "", 0644);
    abi_open(&abi, directory, plugin_fixture_plugins);
    ABI_REFUSED(&abi, OUTBOX_STORE, "sqlit", OUTBOX_E_NOT_FOUND,
                "no store is called 'sqlit'; did you mean 'sqlite'?; available: test, bare, pass, sqlite; searched %s");
    ABI_REFUSED(&abi, OUTBOX_BROKER, "zzz", OUTBOX_E_NOT_FOUND,
                "no broker is called 'zzz'; available: test, pass, wrap, kafka; searched %s");
    ABI_REFUSED(&abi, OUTBOX_STORE, "postgres", OUTBOX_E_NOT_FOUND,
                "the store postgres is not installed: outbox-store-postgres.so is not in %s; install its package, or "
                "build outbox with -Dpostgres=enabled; available: test, bare, pass, sqlite");
    abi_close(&abi);
    remove_directory();
}

Test(directory, directory_may_be_missing_or_not_set)
{
    struct abi abi;
    abi_open(&abi, "/nowhere/outbox", NULL);
    ABI_REFUSED(&abi, OUTBOX_BROKER, "zzz", OUTBOX_E_NOT_FOUND,
                "no broker is called 'zzz'; available: none; searched %s");
    abi_close(&abi);
    cr_assert_eq(obx_registry_new(NULL, NULL, NULL, &abi.registry, &abi.error), OUTBOX_OK);
    ABI_REFUSED(&abi, OUTBOX_BROKER, "kafka", OUTBOX_E_NOT_FOUND,
                "the broker kafka is not installed: outbox-broker-kafka.so is not in a plugin directory (none is set); "
                "install its package, or build outbox with -Dkafka=enabled; available: none");
    abi_close(&abi);
}

Test(directory, plugin_names_never_become_other_paths)
{
    struct abi abi;
    abi_open(&abi, NULL, NULL);
    ABI_REFUSED(&abi, OUTBOX_STORE, "../x", OUTBOX_E_INVALID,
                "'../x' cannot be the name of a store: expected [a-z][a-z0-9_-]*, at most 31 characters");
    ABI_REFUSED(&abi, OUTBOX_STORE, "", OUTBOX_E_INVALID,
                "'' cannot be the name of a store: expected [a-z][a-z0-9_-]*, at most 31 characters");
    abi_close(&abi);
}

Test(directory, files_that_are_no_modules_are_refused)
{
    struct abi abi;
    make_directory();
    abi_open(&abi, directory, NULL);
    write_file("outbox-store-text.so", "just a text, longer than the header of a module would be, so that it is read\n",
               0644);
    ABI_REFUSED(&abi, OUTBOX_STORE, "text", OUTBOX_E_ABI, "load plugin %s/outbox-store-text.so: invalid ELF header");
    write_file("outbox-store-empty.so", "", 0644);
    ABI_REFUSED(&abi, OUTBOX_STORE, "empty", OUTBOX_E_ABI, "load plugin %s/outbox-store-empty.so: file too short");
    char path[256];
    path_of("outbox-store-dir.so", path, sizeof path);
    cr_assert_eq(mkdir(path, 0755), 0);
    ABI_REFUSED(&abi, OUTBOX_STORE, "dir", OUTBOX_E_PERMISSION,
                "plugin %s/outbox-store-dir.so is a directory, expected a regular file: put the module itself there");
    path_of("outbox-store-link.so", path, sizeof path);
    cr_assert_eq(symlink("outbox-store-text.so", path), 0);
    ABI_REFUSED(
        &abi, OUTBOX_STORE, "link", OUTBOX_E_PERMISSION,
        "plugin %s/outbox-store-link.so is a symbolic link, expected a regular file: put the module itself there");
    abi_close(&abi);
    remove_directory();
}

Test(directory, module_whose_library_is_missing_is_refused)
{
    struct abi abi;
    char command[1024];
    make_directory();
    snprintf(command, sizeof command, "cp '%s/outbox-store-nolibrary.so' '%s'", getenv("OUTBOX_ABI_DIR"), directory);
    cr_assert_eq(system(command), 0);
    abi_open(&abi, directory, NULL);
    ABI_REFUSED(
        &abi, OUTBOX_STORE, "nolibrary", OUTBOX_E_ABI,
        "load plugin %s/outbox-store-nolibrary.so: libabi_gone.so: cannot open shared object file: No such file or "
        "directory: install the library that it needs");
    abi_close(&abi);
    remove_directory();
}

Test(directory, module_that_others_may_write_is_not_run)
{
    struct abi abi;
    make_directory();
    abi_open(&abi, directory, NULL);
    write_file("outbox-store-open.so", "", 0646);
    ABI_REFUSED(
        &abi, OUTBOX_STORE, "open", OUTBOX_E_PERMISSION,
        "plugin %s/outbox-store-open.so has mode 0646, so other users may change the code that runs: chmod go-w "
        "%s/outbox-store-open.so");
    cr_assert_eq(chmod(directory, 0777), 0);
    ABI_REFUSED(&abi, OUTBOX_STORE, "open", OUTBOX_E_PERMISSION,
                "plugin directory %s has mode 0777, so other users may change the code that runs: chmod go-w %s");
    abi_close(&abi);
    remove_directory();
}

/* Needs to be root to give a file away. */
Test(directory, module_that_belongs_to_others_is_not_run)
{
    if (geteuid())
        cr_skip_test("only root can give files away");
    struct abi abi;
    make_directory();
    abi_open(&abi, directory, NULL);
    write_file("outbox-store-theirs.so", "", 0644);
    char path[256];
    path_of("outbox-store-theirs.so", path, sizeof path);
    cr_assert_eq(chown(path, 65534, (gid_t)-1), 0);
    ABI_REFUSED(
        &abi, OUTBOX_STORE, "theirs", OUTBOX_E_PERMISSION,
        "plugin %s/outbox-store-theirs.so belongs to user 65534, expected root or user 0, who would run its code: "
        "change its owner");
    cr_assert_eq(chown(path, 0, 65534), 0);
    cr_assert_eq(chmod(path, 0664), 0);
    ABI_REFUSED(
        &abi, OUTBOX_STORE, "theirs", OUTBOX_E_PERMISSION,
        "plugin %s/outbox-store-theirs.so has mode 0664, so other users may change the code that runs: chmod go-w "
        "%s/outbox-store-theirs.so");
    abi_close(&abi);
    remove_directory();
}

/* Needs to be root to give a directory away. */
Test(directory, directory_that_others_may_replace_is_not_searched)
{
    if (geteuid())
        cr_skip_test("only root can give directories away");
    struct abi abi;
    char above[64];
    make_directory();
    snprintf(above, sizeof above, "%.63s", directory);
    snprintf(directory, sizeof directory, "%s/plugins", above);
    cr_assert_eq(mkdir(directory, 0755), 0);
    write_file("outbox-store-text.so", "", 0644);
    cr_assert_eq(chmod(above, 0777), 0);
    abi_open(&abi, directory, NULL);
    cr_assert_neq(obx_registry_find(abi.registry, OUTBOX_STORE, "text", &abi.plugin, &abi.error), 0);
    cr_assert(strstr(abi.error.text, " above the plugins has mode 0777, so other users may replace them: chmod go-w "),
              "%s", abi.error.text);
    cr_assert_eq(chown(above, (uid_t)-1, 65534), 0);
    cr_assert_eq(chmod(above, 0775), 0);
    cr_assert_neq(obx_registry_find(abi.registry, OUTBOX_STORE, "text", &abi.plugin, &abi.error), 0);
    cr_assert(strstr(abi.error.text, " above the plugins has mode 0775, so other users may replace them: chmod go-w "),
              "%s", abi.error.text);
    cr_assert_eq(chmod(above, 01777), 0);
    cr_assert_neq(obx_registry_find(abi.registry, OUTBOX_STORE, "text", &abi.plugin, &abi.error), 0);
    cr_assert(strstr(abi.error.text, "load plugin "), "%s", abi.error.text);
    cr_assert_eq(chown(above, 65534, (gid_t)-1), 0);
    cr_assert_neq(obx_registry_find(abi.registry, OUTBOX_STORE, "text", &abi.plugin, &abi.error), 0);
    cr_assert_eq(abi.error.code, OUTBOX_E_PERMISSION);
    cr_assert(strstr(abi.error.text, " above the plugins belongs to user 65534, who may replace them"), "%s",
              abi.error.text);
    abi_close(&abi);
    remove_directory();
    snprintf(directory, sizeof directory, "%s", above);
    cr_assert_eq(rmdir(directory), 0);
}

Test(directory, file_is_not_a_plugin_directory)
{
    struct abi abi;
    abi_open(&abi, "/proc/self/exe", NULL);
    ABI_REFUSED(&abi, OUTBOX_STORE, "good", OUTBOX_E_CONFIG, "plugin directory %s is not a directory");
    abi_close(&abi);
}

static void refused(void *arg, const struct obx_plugin *plugin, const char *path, const struct outbox_error *error)
{
    struct abi *abi = arg;
    cr_assert_null(plugin);
    snprintf(abi->expected, sizeof abi->expected, "%s/outbox-broker-Bad Name.so", abi->directory);
    cr_assert_str_eq(path, abi->expected);
    abi->error = *error;
}

Test(directory, file_with_a_bad_name_is_reported)
{
    struct abi abi;
    make_directory();
    write_file("outbox-broker-Bad Name.so", "", 0644);
    abi_open(&abi, directory, NULL);
    obx_registry_each(abi.registry, refused, &abi);
    snprintf(abi.expected, sizeof abi.expected,
             "%s/outbox-broker-Bad Name.so: 'Bad Name' cannot be the name of a broker: rename the file", abi.directory);
    cr_assert_str_eq(abi.error.text, abi.expected);
    abi_close(&abi);
    remove_directory();
}

/* The directory of the modules built here is the second one. */
Test(directory, directories_are_searched_in_order)
{
    struct abi abi;
    char path[512];
    make_directory();
    snprintf(path, sizeof path, "/nowhere:%s:%s", directory, getenv("OUTBOX_ABI_DIR"));
    abi_open(&abi, path, NULL);
    cr_assert_eq(abi_find(&abi, OUTBOX_STORE, "good"), OUTBOX_OK, "%s", abi.error.text);
    cr_assert_eq(strncmp(abi.plugin->path, getenv("OUTBOX_ABI_DIR"), strlen(getenv("OUTBOX_ABI_DIR"))), 0);
    abi_close(&abi);
    write_file("outbox-store-good.so", "no module", 0644);
    abi_open(&abi, path, NULL);
    cr_assert_eq(abi_find(&abi, OUTBOX_STORE, "good"), OUTBOX_E_ABI, "the first directory that has the file decides");
    cr_assert(strstr(abi.error.text, directory), "%s", abi.error.text);
    abi_close(&abi);
    remove_directory();
}
