/* tests/simulation/simulation_test.c - a few hundred seeds in every run of the tests; outbox-simulate runs more */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdlib.h>

#include "mem_fault.h"
#include "sim.h"

#define SEEDS_EACH 50

static void run_seeds(uint64_t first)
{
    struct sim *sim = malloc(sizeof *sim);
    cr_assert(sim);
    for (uint64_t seed = first; seed < first + SEEDS_EACH; seed++) {
        bool kept = sim_run(sim, seed, false);
        cr_assert(kept, "seed %" PRIu64 ": %s (replay: outbox-simulate --seed %" PRIu64 " --verbose)", seed, sim->why,
                  seed);
        cr_assert_eq(mem_live(), 0, "seed %" PRIu64 ": %zu blocks leaked", seed, mem_live());
    }
    free(sim);
}

Test(simulation, seeds_1)
{
    run_seeds(1);
}

Test(simulation, seeds_1001)
{
    run_seeds(1001);
}

Test(simulation, seeds_2001)
{
    run_seeds(2001);
}

Test(simulation, seeds_3001)
{
    run_seeds(3001);
}
