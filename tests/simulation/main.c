/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/simulation/main.c - outbox-sim: run seeds, name those that fail, replay one
 *
 *     outbox-sim --seed N [--trace]        one run; with every step of interest
 *     outbox-sim --seeds A..B [--jobs N]   many, in that many processes; prints the failing ones, exits with 1
 *     outbox-sim --file F                  the seeds of a file, one on a line; # begins a comment
 *     ... --failures N                     stop after so many; 20
 *
 * A failing run ends its process, so seeds run in children: each takes seeds until one fails, and is then replaced.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sim.h"

#define JOBS_MAX 64u

struct job {
    pid_t pid;
    uint64_t seed; /* that runs now */
    struct sim_result sum;
};

struct board {
    struct job jobs[JOBS_MAX];
};

struct seeds {
    uint64_t *list; /* NULL: first + index */
    uint64_t first, count;
    uint32_t failures; /* that end it */
};

static uint64_t seed_at(const struct seeds *seeds, uint64_t index)
{
    return seeds->list ? seeds->list[index] : seeds->first + index;
}

static void work(struct job *job, const struct seeds *seeds, uint64_t index, uint64_t stride)
{
    for (; index < seeds->count; index += stride) {
        job->seed = index;
        struct sim_result result = sim_run(seed_at(seeds, index), false);
        job->sum.steps += result.steps;
        job->sum.virtual_ns += result.virtual_ns;
        job->sum.events += result.events;
        job->sum.appended += result.appended;
        job->sum.duplicates += result.duplicates;
    }
    exit(0);
}

static void start(struct job *job, const struct seeds *seeds, uint64_t index, uint64_t stride)
{
    fflush(stdout);
    pid_t pid = fork();
    if (!pid)
        work(job, seeds, index, stride);
    job->pid = pid; /* the board is shared: only the parent writes this */
}

static struct job *job_of(struct board *board, uint32_t count, pid_t pid)
{
    for (uint32_t i = 0; i < count; i++) {
        if (board->jobs[i].pid == pid)
            return &board->jobs[i];
    }
    return NULL;
}

/* How many failed. */
static uint32_t run_all(struct board *board, const struct seeds *seeds, uint32_t jobs)
{
    uint32_t failures = 0, running = jobs;
    for (uint32_t i = 0; i < jobs; i++)
        start(&board->jobs[i], seeds, i, jobs);
    while (running) {
        int status;
        struct job *job = job_of(board, jobs, wait(&status));
        if (!job)
            break; /* no child is left */
        if (status == 0) {
            running--;
            continue;
        }
        printf("FAILED: outbox-sim --seed %llu --trace\n", (unsigned long long)seed_at(seeds, job->seed));
        if (++failures < seeds->failures && job->seed + jobs < seeds->count)
            start(job, seeds, job->seed + jobs, jobs);
        else
            running--;
    }
    return failures;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int run_many(const struct seeds *seeds, uint32_t jobs)
{
    struct board *board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        return 70;
    double began = seconds();
    uint32_t failures = run_all(board, seeds, jobs);
    double took = seconds() - began;
    struct sim_result sum = {0};
    for (uint32_t i = 0; i < jobs; i++) {
        sum.steps += board->jobs[i].sum.steps;
        sum.virtual_ns += board->jobs[i].sum.virtual_ns;
        sum.events += board->jobs[i].sum.events;
        sum.duplicates += board->jobs[i].sum.duplicates;
    }
    printf("%llu seeds, %u failed; %.1f virtual hours, %.1f million steps, %llu events, %llu duplicates in %.1f s with "
           "%u jobs\n",
           (unsigned long long)seeds->count, failures, (double)sum.virtual_ns / 3.6e12, (double)sum.steps / 1e6,
           (unsigned long long)sum.events, (unsigned long long)sum.duplicates, took, jobs);
    return failures ? 1 : 0;
}

static int run_one(uint64_t seed, bool trace)
{
    struct sim_result result = sim_run(seed, trace);
    printf("seed %llu: kept every promise; %.1f virtual seconds, %llu steps, %llu events, %llu appended, "
           "%llu duplicates, digest %016llx\n",
           (unsigned long long)seed, (double)result.virtual_ns / 1e9, (unsigned long long)result.steps,
           (unsigned long long)result.events, (unsigned long long)result.appended,
           (unsigned long long)result.duplicates, (unsigned long long)result.digest);
    return 0;
}

static bool read_file(const char *path, struct seeds *seeds)
{
    char line[256];
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    seeds->list = calloc(10000, sizeof *seeds->list);
    while (seeds->list && fgets(line, sizeof line, file) && seeds->count < 10000) {
        char *end;
        uint64_t seed = strtoull(line, &end, 10);
        if (end != line)
            seeds->list[seeds->count++] = seed;
    }
    fclose(file);
    return seeds->list != NULL;
}

static int usage(void)
{
    fprintf(stderr,
            "usage: outbox-sim --seed N [--trace] | --seeds A..B [--jobs N] | --file F [--jobs N] [--failures N]\n");
    return 64;
}

int main(int argc, char **argv)
{
    struct seeds seeds = {.failures = 20};
    uint64_t seed = 0, last;
    uint32_t jobs = 1;
    bool trace = false, one = false, many = false;
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        char *end = NULL;
        if (!strcmp(argv[i], "--trace")) {
            trace = true;
            continue;
        }
        i++;
        if (!strcmp(argv[i - 1], "--seed") && *value) {
            seed = strtoull(value, &end, 10);
            one = true;
        } else if (!strcmp(argv[i - 1], "--jobs") && *value) {
            jobs = (uint32_t)strtoul(value, &end, 10);
        } else if (!strcmp(argv[i - 1], "--failures") && *value) {
            seeds.failures = (uint32_t)strtoul(value, &end, 10);
        } else if (!strcmp(argv[i - 1], "--seeds") && *value) {
            seeds.first = strtoull(value, &end, 10);
            last = !strncmp(end, "..", 2) ? strtoull(end + 2, &end, 10) : seeds.first;
            seeds.count = last >= seeds.first ? last - seeds.first + 1 : 0;
            many = true;
        } else if (!strcmp(argv[i - 1], "--file") && *value) {
            many = read_file(value, &seeds);
            end = argv[i] + strlen(value);
        }
        if (!end || *end)
            return usage();
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (one == many || !jobs || jobs > JOBS_MAX)
        return usage();
    int code = one ? run_one(seed, trace) : run_many(&seeds, jobs);
    free(seeds.list);
    return code;
}
