/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/descriptor.c - descriptors of plugins as a module may export them
 *
 * Of any size and version, with functions missing; nothing is read past the sizes that they state. An accepted
 * descriptor has a name and all required functions; a refusal names the file.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "plugin/registry.h"

#define OPTIONS 3

static void function(void)
{
}

/* A table of functions, some of them NULL, that ends where its size says. */
static void *make_ops(struct fuzz_input *input, size_t whole)
{
    uint32_t size = fuzz_int(input, 1) % 4 ? (uint32_t)whole : (uint32_t)fuzz_int(input, 2) % 512;
    uint64_t missing = fuzz_int(input, 1) % 4 ? 0 : fuzz_int(input, 4);
    void (**table)(void) = NULL;
    uint8_t *ops = calloc(1, size < 4 ? 4 : size);
    if (!ops)
        abort();
    memcpy(ops, &size, sizeof size);
    table = (void (**)(void))(void *)ops;
    for (size_t i = 1; (i + 1) * sizeof *table <= size; i++)
        table[i] = missing >> i % 64 & 1 ? NULL : function;
    return ops;
}

static void make_options(struct fuzz_input *input, struct outbox_option *options, char **texts)
{
    static const char *const choices[] = {"a", "b", NULL};
    for (int i = 0; i < OPTIONS; i++) {
        texts[2 * i] = fuzz_text(input);
        texts[2 * i + 1] = fuzz_text(input);
        options[i] = (struct outbox_option){.name = texts[2 * i],
                                            .type = (uint32_t)fuzz_int(input, 1) % 10,
                                            .flags = (uint32_t)fuzz_int(input, 1),
                                            .offset = fuzz_int(input, 1),
                                            .default_value = fuzz_int(input, 1) & 1 ? texts[2 * i + 1] : NULL,
                                            .min = (int64_t)fuzz_int(input, 1),
                                            .max = (int64_t)fuzz_int(input, 1),
                                            .choices = fuzz_int(input, 1) & 1 ? choices : NULL,
                                            .help = fuzz_int(input, 1) % 8 ? "helps" : NULL};
    }
}

static void check(const struct outbox_plugin *descriptor)
{
    struct obx_plugin plugin = {0};
    struct outbox_error error = {0};
    if (obx_plugin_check(descriptor, "module.so", &plugin, &error)) {
        FUZZ_CHECK(!strncmp(error.text, "module.so: ", 11));
        return;
    }
    const struct outbox_plugin *taken = &plugin.descriptor;
    FUZZ_CHECK(taken->name[0] >= 'a' && taken->name[0] <= 'z' && strlen(taken->name) < 32);
    FUZZ_CHECK(taken->kind == OUTBOX_STORE || taken->kind == OUTBOX_BROKER);
    if (taken->kind == OUTBOX_STORE)
        FUZZ_CHECK(plugin.ops.store.init && plugin.ops.store.fini);
    else
        FUZZ_CHECK(plugin.ops.broker.init && plugin.ops.broker.fini);
    if (taken->caps & OUTBOX_CAP_ADMIT)
        FUZZ_CHECK(plugin.ops.broker.admit);
    if (taken->caps & OUTBOX_CAP_DEAD_LETTERS)
        FUZZ_CHECK(plugin.ops.store.dead_letter && plugin.ops.store.dead);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, data + size};
    struct outbox_option options[OPTIONS];
    char *texts[2 * OPTIONS], *name = fuzz_text(&input);
    uint32_t kind = fuzz_int(&input, 1) % 8 ? 1 + (uint32_t)fuzz_int(&input, 1) % 2 : (uint32_t)fuzz_int(&input, 4);
    void *ops =
        make_ops(&input, kind == OUTBOX_STORE ? sizeof(struct outbox_store_ops) : sizeof(struct outbox_broker_ops));
    make_options(&input, options, texts);
    struct outbox_plugin whole = {.abi_major = fuzz_int(&input, 1) % 8 ? OUTBOX_ABI_MAJOR : 7,
                                  .struct_size = fuzz_int(&input, 1) % 4 ? sizeof whole : (uint32_t)fuzz_int(&input, 2),
                                  .kind = kind,
                                  .option_size = sizeof *options,
                                  .caps = fuzz_int(&input, 1) % 8 ? fuzz_int(&input, 1) & 63 : fuzz_int(&input, 8),
                                  .name = fuzz_int(&input, 1) % 8 ? "name" : name,
                                  .version = fuzz_int(&input, 1) % 8 ? "1" : NULL,
                                  .description = "fuzzed",
                                  .instance_size = fuzz_int(&input, 2),
                                  .op_size = fuzz_int(&input, 2),
                                  .options = options,
                                  .option_count = (uint32_t)fuzz_int(&input, 1) % (OPTIONS + 1),
                                  .ops = fuzz_int(&input, 1) % 16 ? ops : NULL};
    size_t stated = whole.struct_size < 8 ? 8 : whole.struct_size;
    void *placed = calloc(1, stated);
    if (!placed)
        abort();
    memcpy(placed, &whole, stated < sizeof whole ? stated : sizeof whole);
    check(placed);
    free(placed);
    free(ops);
    free(name);
    for (int i = 0; i < 2 * OPTIONS; i++)
        free(texts[i]);
    return 0;
}
