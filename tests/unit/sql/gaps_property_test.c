/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/sql/gaps_property_test.c - thousands of random histories: every committed row once, in order per key */
#include <criterion/criterion.h>

#include "gaps_model.h"

static void check_all_claimed(const struct model *model)
{
    for (int64_t id = 1; id <= model->ids; id++)
        cr_assert_eq(model->rows[id].claimed, model->rows[id].committed, "seed %u: id %ld", model->seed, (long)id);
}

static void run(struct model *model, unsigned seed, uint64_t cold_after_ns)
{
    model_init(model, seed, cold_after_ns);
    for (int step = 0; step < 1500; step++) {
        unsigned what = (unsigned)rand_r(&model->state) % 10;
        if (what == 0)
            model_claim(model, 1 + (unsigned)rand_r(&model->state) % 6);
        else if (what == 1)
            model_inspect_locks(model);
        else
            model_write(model);
    }
    model_end_all(model);
    model_claim(model, MODEL_ROWS + 1);
    check_all_claimed(model);
    for (int i = 0; i < 3; i++) {
        model_inspect_locks(model);
        model_claim(model, MODEL_ROWS + 1);
    }
    cr_assert_eq(model->gaps.hot.count, 0, "seed %u: %u gaps stay open", seed, model->gaps.hot.count);
    cr_assert_eq(model->gaps.cold.count, 0, "seed %u: %u gaps stay cold", seed, model->gaps.cold.count);
    cr_assert_eq(model_free(model), 0, "seed %u", seed);
}

Test(gaps_property, rows_are_claimed_once_and_in_order)
{
    static struct model model;
    uint32_t most_hot = 0;
    for (unsigned seed = 1; seed <= 3000; seed++) {
        run(&model, seed, UINT64_MAX);
        most_hot = model.most_hot > most_hot ? model.most_hot : most_hot;
    }
    cr_assert_gt(most_hot, 5, "the histories have too few gaps to show anything");
}

Test(gaps_property, rows_are_claimed_once_and_in_order_with_cold_gaps)
{
    static struct model model;
    uint32_t most_cold = 0;
    uint64_t repeated = 0;
    for (unsigned seed = 1; seed <= 3000; seed++) {
        run(&model, seed, seed % 60);
        most_cold = model.most_cold > most_cold ? model.most_cold : most_cold;
        repeated += model.repeated;
    }
    cr_assert_gt(most_cold, 5, "no gaps go cold");
    cr_assert_gt(repeated, 100, "no tracked writer ends");
}
