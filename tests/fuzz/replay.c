/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/replay.c - run a target over the inputs of a folder, each once
 *
 *     fuzz-NAME DIRECTORY      exits with 1 when there are none; prints the name of each file, and aborts at a
 *                              broken property
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

static bool replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(1 << 20);
    if (!file || !data)
        return false;
    size_t size = fread(data, 1, 1 << 20, file);
    fclose(file);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return true;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        if (entry->d_name[0] != '.' && !replay(path))
            return 1;
        count += entry->d_name[0] != '.';
    }
    if (dir)
        closedir(dir);
    fprintf(stderr, "%u inputs\n", count);
    return count ? 0 : 1;
}
