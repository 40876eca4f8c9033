/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/process.c - reads /proc/self; see process.h */
#include "http/process.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Fields of /proc/self/stat, as proc(5) numbers them. */
enum { FIRST = 4, UTIME = 14, STIME = 15, START = 22, VIRTUAL = 23, RESIDENT = 24, FIELDS };

/* The name may have blanks and brackets: the state and the numbers follow its last bracket. */
static bool parse_stat(const char *text, double fields[FIELDS])
{
    const char *at = strrchr(text, ')');
    if (!at || strlen(at) < 3)
        return false;
    at += 3;
    for (int i = FIRST; i < FIELDS; i++) {
        char *end;
        fields[i] = (double)strtoll(at, &end, 10);
        if (end == at)
            return false;
        at = end;
    }
    return true;
}

static void read_stat(struct obx_process *process)
{
    char text[1024];
    double fields[FIELDS], ticks = (double)sysconf(_SC_CLK_TCK);
    FILE *file = fopen("/proc/self/stat", "re");
    size_t size = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[size] = '\0';
    if (!parse_stat(text, fields))
        return;
    process->cpu_s = (fields[UTIME] + fields[STIME]) / ticks;
    process->start_s = seconds_of(CLOCK_REALTIME) - seconds_of(CLOCK_BOOTTIME) + fields[START] / ticks;
    process->virtual_memory = fields[VIRTUAL];
    process->resident = fields[RESIDENT] * (double)sysconf(_SC_PAGESIZE);
}

/* Without "." and "..", and the descriptor of the directory itself. */
static double count_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = -3;
    if (!directory)
        return 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

void obx_process_read(struct obx_process *process)
{
    struct rlimit limit;
    *process = (struct obx_process){.open_fds = count_fds()};
    if (!getrlimit(RLIMIT_NOFILE, &limit))
        process->max_fds = (double)limit.rlim_cur;
    read_stat(process);
}
