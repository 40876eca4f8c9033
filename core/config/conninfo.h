/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/conninfo.h - quotes what ${NAME} stands for in a connection string of libpq
 *
 * A password from the environment may have a space, a quote or a backslash, which end or change a value there. The
 * text of the file decides what is needed at the place of the reference:
 *
 *   keyword=value   in a value: a backslash before white space, quotes and backslashes; between keywords: nothing
 *   scheme://       in user and password, and after the '?': percent-encoding; in hosts and database: nothing
 *
 * So a reference for a whole connection string, or for some of its parameters, is put in as it is.
 */
#ifndef OBX_CONFIG_CONNINFO_H
#define OBX_CONFIG_CONNINFO_H

#include <stdbool.h>
#include <stddef.h>

enum obx_conninfo_place { OBX_CONNINFO_KEYWORD, OBX_CONNINFO_BEFORE_VALUE, OBX_CONNINFO_PLAIN, OBX_CONNINFO_QUOTED };

struct obx_conninfo {
    bool is_uri;
    const char *user_end; /* URI: the '@' after the password; NULL: it has none */
    const char *query;    /* URI: the '?'; NULL: it has none */
    bool has_colon;       /* URI: between user and password, in the text of the file */
    enum obx_conninfo_place place;
    bool escaped; /* the last byte was a backslash */
};

/* text: of the file, with its references. */
void obx_conninfo_begin(struct obx_conninfo *state, const char *text);
/* One byte of the text that is no reference. */
void obx_conninfo_literal(struct obx_conninfo *state, char byte);
/* The value of a reference; at, end: where the reference begins and ends in the text. emit() gets what to put in. */
void obx_conninfo_value(struct obx_conninfo *state, const char *at, const char *end, const char *value, size_t size,
                        void (*emit)(void *arg, const char *bytes, size_t size), void *arg);

#endif
