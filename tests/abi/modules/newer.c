/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/modules/newer.c - a store of a later minor version: every structure is larger than this host knows */
#include "plain.h"

struct newer_option {
    struct outbox_option option;
    const char *tail[2];
};
struct newer_ops {
    struct outbox_store_ops ops;
    void (*tail[3])(void);
};
struct newer_plugin {
    struct outbox_plugin plugin;
    uint64_t tail[4];
};

static void unheard_of(void)
{
}

static const struct newer_option options[] = {
    {{.name = "first", .type = OUTBOX_OPT_STRING, .offset = 0, .default_value = "x", .help = "text"}, {"a", "b"}},
    {{.name = "number",
      .type = OUTBOX_OPT_INT,
      .offset = offsetof(struct plain, number),
      .default_value = "6",
      .help = "int"},
     {"c", "d"}},
};

static const struct newer_ops ops = {{.struct_size = sizeof ops, PLAIN_STORE_OPS},
                                     {unheard_of, unheard_of, unheard_of}};

extern OUTBOX_EXPORT const struct newer_plugin outbox_plugin;
const struct newer_plugin outbox_plugin = {{PLAIN_DESCRIPTOR("newer", &ops), .struct_size = sizeof(struct newer_plugin),
                                            .option_size = sizeof(struct newer_option), .kind = OUTBOX_STORE,
                                            .options = &options[0].option, .option_count = 2},
                                           {~0ull, ~0ull, ~0ull, ~0ull}};
