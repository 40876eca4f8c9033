/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/dsn.c - the conninfo of the Postgres store: candidates within bounds, no secret in the texts */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../../backends/postgres/store.h"

static const char *value_of(const struct pg_target *target, const char *keyword)
{
    for (unsigned i = 0; i < PG_KEYWORDS && target->keywords[i]; i++) {
        if (!strcmp(target->keywords[i], keyword))
            return target->values[i];
    }
    return "";
}

static void check_choice(struct pg_target *target, uint32_t index)
{
    const char *host = target->candidates[index].host, *address = target->candidates[index].address;
    pg_target_choose(target, index, false);
    FUZZ_CHECK(!strcmp(value_of(target, "client_encoding"), "UTF8"));
    FUZZ_CHECK(!strcmp(value_of(target, "target_session_attrs"), "any"));
    FUZZ_CHECK(!strchr(value_of(target, "host"), ',') && !strcmp(value_of(target, "host"), host));
    FUZZ_CHECK(*value_of(target, "sslmode") || (!*address && (!*host || *host == '/' || *host == '@')) ||
               !strncmp(address, "127.", 4) || strstr(address, ":127.") || !strcmp(address, "::1"));
}

/* "dsn: 'SCHEME:' is no scheme ..": of the dsn it shows nothing but what stands before ://, without user and password.
 */
static bool names_scheme(const char *text, const char *dsn)
{
    const char *end = strstr(dsn, "://");
    return !strncmp(text, "dsn: '", 6) && strstr(text, ":' is no scheme of libpq") && end &&
           (!memchr(dsn, ':', (size_t)(end - dsn)) || !strncmp(dsn, "jdbc:", 5));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pg_target target = {0};
    struct outbox_error error = {0};
    char *dsn = fuzz_whole_text(data, size);
    if (pg_target_parse(&target, dsn, NULL, "relay", &error) == OUTBOX_OK) {
        FUZZ_CHECK(target.candidate_count && target.candidate_count <= PG_CANDIDATES);
        for (uint32_t i = 0; i < target.candidate_count; i++)
            check_choice(&target, i);
    } else if (!names_scheme(error.text, dsn)) {
        FUZZ_CHECK(!strncmp(error.text, "dsn: not a conninfo string", 26) ||
                   !strncmp(error.text, "dsn: libpq has no parameter", 27) ||
                   !strncmp(error.text, "dsn: port is neither", 20) ||
                   !strncmp(error.text, "dsn: connect_timeout is not", 27) ||
                   !strncmp(error.text, "dsn: target_session_attrs is neither", 36) ||
                   !strncmp(error.text, "dsn: a host has an @", 20) ||
                   !strncmp(error.text, "dsn: there is no such sslmode", 29));
        FUZZ_CHECK(!strstr(error.text, "hunter2")); /* the password of the corpus */
    }
    pg_target_free(&target);
    free(dsn);
    return 0;
}
