/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/measure.c - run a command; print its wall seconds, CPU seconds with its children, and peak memory
 *
 *     measure OUTPUT COMMAND [ARGUMENT...]      writes "WALL CPU PEAK_KIB" to the file OUTPUT
 *
 * Exit code: that of the command.
 */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu(const struct rusage *usage)
{
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 64;
    double begin = seconds();
    pid_t child = fork();
    if (child == 0) {
        execvp(argv[2], argv + 2);
        perror(argv[2]);
        _exit(127);
    }
    int status;
    struct rusage usage;
    if (child < 0 || wait4(child, &status, 0, &usage) != child) {
        perror(argv[2]);
        return 71;
    }
    double wall = seconds() - begin;
    FILE *to = fopen(argv[1], "we");
    if (!to) {
        perror(argv[1]);
        return 73;
    }
    fprintf(to, "%.6f %.6f %ld\n", wall, cpu(&usage), usage.ru_maxrss);
    return fclose(to) == 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 70;
}
