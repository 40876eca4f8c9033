/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/embed/plugin_dir.c - finds the plugin directories
 *
 * An installation can be moved as a whole: BINDIR/outbox finds BINDIR/../LIBDIR/outbox, and LIBDIR/liboutbox.so finds
 * LIBDIR/outbox. In the build tree the modules are in plugins/. This code is linked into the program
 * and into the library; dladdr() gives the file that it was loaded from.
 */
#include "embed/plugin_dir.h"

#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "install_paths.h"

static bool is_directory(const char *path)
{
    DIR *directory = opendir(path);
    if (directory)
        closedir(directory);
    return directory != NULL;
}

/* True if the directory `relative` to the folder of `self` exists. */
static bool find_relative(const char *self, const char *relative, char *directory, size_t size)
{
    const char *slash = strrchr(self, '/');
    char path[PATH_MAX + 256], real[PATH_MAX];
    snprintf(path, sizeof path, "%.*s/%s", slash ? (int)(slash - self) : 0, self, relative);
    if (!is_directory(path) || !realpath(path, real) || strlen(real) >= size)
        return false;
    memcpy(directory, real, strlen(real) + 1);
    return true;
}

/* In the build tree the program is one folder deep, the library three. */
static bool find_in_build_tree(const char *self, char *directory, size_t size)
{
    char ignored[PATH_MAX];
    if (find_relative(self, "../meson-private", ignored, sizeof ignored))
        return find_relative(self, "../plugins", directory, size);
    return find_relative(self, "../../../meson-private", ignored, sizeof ignored) &&
           find_relative(self, "../../../plugins", directory, size);
}

void obx_plugin_dir_beside(const char *self, char *directory, size_t size)
{
    if (find_in_build_tree(self, directory, size))
        return;
    if (find_relative(self, OBX_PLUGINS_FROM_BIN, directory, size) || find_relative(self, "outbox", directory, size))
        return;
    directory[0] = '\0';
}

/* The file that this code was loaded from. dladdr() may give a relative name for the main program: use /proc. */
static void find_self(char *self, size_t size)
{
    Dl_info info = {0};
    char program[PATH_MAX] = "", library[PATH_MAX] = "";
    ssize_t got = readlink("/proc/self/exe", program, sizeof program - 1);
    program[got < 0 ? 0 : got] = '\0';
    /* any address of this object; a function pointer would need a cast that ISO C does not allow */
    static const char anchor;
    if (dladdr(&anchor, &info) && info.dli_fname && strstr(info.dli_fname, ".so") && realpath(info.dli_fname, library))
        snprintf(self, size, "%s", library);
    else
        snprintf(self, size, "%s", program);
}

void obx_plugin_path(const char *given, char *path, size_t size)
{
    char self[PATH_MAX], built_in[PATH_MAX];
    const char *chosen = given ? given : getenv("OUTBOX_PLUGIN_DIR");
    find_self(self, sizeof self);
    obx_plugin_dir_beside(self, built_in, sizeof built_in);
    if (!built_in[0])
        snprintf(built_in, sizeof built_in, "%s", OBX_PLUGIN_DIR);
    if (chosen && !strcmp(chosen, built_in))
        chosen = NULL;
    snprintf(path, size, "%s%s%s", chosen ? chosen : "", chosen && *chosen ? ":" : "", built_in);
}
