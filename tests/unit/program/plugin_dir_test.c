/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/program/plugin_dir_test.c - finding the plugin directory in an installation and in a build tree */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "embed/plugin_dir.h"
#include "install_paths.h"

struct tree {
    char root[64];
};

/* Make a directory in the root, with its parents. */
static void make(const struct tree *tree, const char *path)
{
    char full[PATH_MAX];
    snprintf(full, sizeof full, "%s/%s/", tree->root, path);
    for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
}

static void open_tree(struct tree *tree)
{
    strcpy(tree->root, "/tmp/outbox-dir-XXXXXX");
    cr_assert_not_null(mkdtemp(tree->root));
}

static void close_tree(const struct tree *tree)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", tree->root);
    cr_assert_eq(system(command), 0);
}

static void expect_beside(const struct tree *tree, const char *self, const char *relative)
{
    char from[PATH_MAX], found[PATH_MAX], expected[PATH_MAX] = "";
    snprintf(from, sizeof from, "%s/%s", tree->root, self);
    obx_plugin_dir_beside(from, found, sizeof found);
    if (relative)
        snprintf(expected, sizeof expected, "%s/%s", tree->root, relative);
    cr_expect_str_eq(found, expected);
}

Test(plugin_dir, installed_library_and_build_tree_find_their_plugins)
{
    struct tree tree;
    open_tree(&tree);
    make(&tree, "usr/lib/outbox");
    expect_beside(&tree, "usr/lib/liboutbox.so.0", "usr/lib/outbox");
    expect_beside(&tree, "nowhere/outbox", NULL);
    make(&tree, "build/program");
    make(&tree, "build/plugins");
    expect_beside(&tree, "build/program/outbox", NULL); /* plugins/ alone does not make it a build tree */
    make(&tree, "build/meson-private");
    expect_beside(&tree, "build/program/outbox", "build/plugins");
    close_tree(&tree);
}

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

Test(plugin_dir, option_precedes_environment_and_both_precede_the_installed_directory)
{
    char found[PATH_MAX * 2], installed[PATH_MAX * 2], twice[PATH_MAX * 2];
    setenv("OUTBOX_PLUGIN_DIR", "", 1);
    obx_plugin_path(NULL, installed, sizeof installed);
    cr_expect_str_neq(installed, "");
    setenv("OUTBOX_PLUGIN_DIR", "/from/environment:/other", 1);
    obx_plugin_path("/from/option", found, sizeof found);
    cr_expect(begins_with(found, "/from/option:") && !strcmp(found + strlen("/from/option:"), installed), "%s", found);
    obx_plugin_path(NULL, found, sizeof found);
    cr_expect(begins_with(found, "/from/environment:/other:"), "%s", found);
    cr_expect_str_eq(found + strlen("/from/environment:/other:"), installed);
    obx_plugin_path(installed, twice, sizeof twice);
    cr_expect_str_eq(twice, installed, "one directory is searched once");
}
