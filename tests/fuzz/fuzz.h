/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/fuzz/fuzz.h - what the fuzz targets share
 *
 * A target is one file with fuzz_one(), which checks properties in addition to crashes. It is built twice: with
 * replay.c, as an ordinary test that runs the inputs of corpus/NAME; and, with -Dfuzz=enabled and clang, with
 * libFuzzer, which searches for new ones (scripts/fuzz).
 */
#ifndef OBX_TESTS_FUZZ_FUZZ_H
#define OBX_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <outbox/plugin.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Print the broken property and abort, so that the fuzzer keeps the input. */
_Noreturn void fuzz_fail(const char *file, int line, const char *what);
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #condition))

/* The input is consumed from its start; missing parts are zero or empty. */
struct fuzz_input {
    const uint8_t *at, *end;
};
uint64_t fuzz_int(struct fuzz_input *input, unsigned bytes);
/* The next two bytes give the count, bounded by the remaining input. In separate memory, so that a sanitizer detects
 * reads past the end. */
struct outbox_bytes fuzz_bytes(struct fuzz_input *input);
struct outbox_bytes fuzz_maybe(struct fuzz_input *input); /* the same, or null */
char *fuzz_text(struct fuzz_input *input);                /* the same, with a NUL; there may be others inside */
void fuzz_free(const void *memory);
/* The whole input as a text without a NUL inside; free() it. */
char *fuzz_whole_text(const uint8_t *data, size_t size);

/* The part of the host that parsers use. */
extern const struct outbox_host fuzz_host;

#endif
