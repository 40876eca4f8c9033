/*
 * tests/simulation/main.c - outbox-simulate: run seeds; a seed that fails can be replayed with --verbose
 *
 *     outbox-simulate [--seed FIRST] [--count N] [--verbose]
 *
 * Exit codes: 0 every promise was kept, 1 one was broken; the seed and the promise are printed.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", 1, NULL, 's'}, {"count", 1, NULL, 'c'}, {"verbose", 0, NULL, 'v'}, {0}};
    uint64_t first = 1, count = 1, failed = 0, published = 0, duplicates = 0, fences = 0, restarts = 0;
    bool verbose = false;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == '?')
            return 64;
        verbose |= option == 'v';
        if (option == 's')
            first = strtoull(optarg, NULL, 10);
        if (option == 'c')
            count = strtoull(optarg, NULL, 10);
    }
    struct sim *sim = malloc(sizeof *sim);
    for (uint64_t seed = first; sim && seed < first + count; seed++) {
        if (!sim_run(sim, seed, verbose)) {
            printf("seed %" PRIu64 ": %s\n", seed, sim->why);
            failed++;
        }
        published += sim->published;
        duplicates += sim->duplicates;
        fences += sim->fences;
        restarts += sim->restarts;
    }
    free(sim);
    printf("%" PRIu64 " seeds, %" PRIu64 " failed; %" PRIu64 " events published, %" PRIu64 " duplicates, %" PRIu64
           " owners fenced, %" PRIu64 " restarts\n",
           count, failed, published, duplicates, fences, restarts);
    return failed ? 1 : 0;
}
