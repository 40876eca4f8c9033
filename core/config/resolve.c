/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/resolve.c - the effective text of a scalar: ${NAME} from the environment, file:PATH from a file
 *
 * Only the text of the file is expanded. A value from the environment is not expanded again, even if it contains "${"
 * or begins with "file:". In a connection string it is quoted (conninfo.h). Failure: CONFIG at the location of the
 * reference, which the error names.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/utf8.h"
#include "config/conninfo.h"
#include "config/limits.h"
#include "config/tree.h"

/* ---- ${NAME} ---- */

struct output {
    char *to; /* NULL: only measure */
    size_t room;
    size_t size;
};

struct expansion {
    struct obx_config *config;
    const struct obx_entry *entry;
    struct output out;
    struct obx_conninfo *conninfo; /* NULL: values are put in as they are */
    struct outbox_error *error;
};

static void emit(void *arg, const char *bytes, size_t size)
{
    struct output *out = arg;
    if ((out->to && out->size + size > out->room) || out->size > OBX_EXPANDED_MAX_SIZE)
        return; /* the environment has changed since measuring; or it is too large already */
    if (out->to)
        memcpy(out->to + out->size, bytes, size);
    out->size += size;
}

/* The location of a byte of the scalar; if it cannot be computed, of the scalar. */
static struct obx_location location_inside(const struct obx_entry *entry, const char *at)
{
    struct obx_location location = entry->value_location;
    if (entry->same_in_file)
        location.column += !entry->plain + (uint32_t)obx_utf8_count(entry->text, (size_t)(at - entry->text));
    return location;
}

#define REFUSE(expansion, at, ...)                                                                             \
    obx_location_error((expansion)->config->name, location_inside((expansion)->entry, at), (expansion)->error, \
                       __VA_ARGS__)

static size_t name_length(const char *name)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    return strspn(name, letters) ? strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789") : 0;
}

static const char *lookup(const char *name, size_t size)
{
    char copy[256];
    if (size >= sizeof copy)
        return NULL;
    memcpy(copy, name, size);
    copy[size] = '\0';
    return getenv(copy);
}

/* begin, end: of the reference in the text. */
static void emit_value(struct expansion *expansion, const char *begin, const char *end, const char *value, size_t size)
{
    if (expansion->conninfo)
        obx_conninfo_value(expansion->conninfo, begin, end, value, size, emit, &expansion->out);
    else
        emit(&expansion->out, value, size);
}

static void emit_literal(struct expansion *expansion, const char *bytes, size_t size)
{
    emit(&expansion->out, bytes, size);
    for (size_t i = 0; expansion->conninfo && i < size; i++)
        obx_conninfo_literal(expansion->conninfo, bytes[i]);
}

/* at: at a "${"; moved past its "}". */
static int expand_one(struct expansion *expansion, const char **at)
{
    const char *begin = *at, *name = begin + 2, *end = strchr(name, '}');
    if (!end)
        return REFUSE(expansion, begin, "'${' without '}'; for a literal ${ write $${");
    size_t size = name_length(name);
    const char *rest = name + size;
    bool has_default = !strncmp(rest, ":-", 2);
    if (!size || (rest != end && !has_default))
        return REFUSE(expansion, begin, /* do not quote it: it may be a part of a password */
                      "this is not a reference; write ${NAME} or ${NAME:-default}, and $${ for a literal ${");
    const char *value = lookup(name, size);
    if (!value && !has_default)
        return REFUSE(expansion, begin, "environment variable '%.*s' is not set; set it, or write ${%.*s:-default}",
                      (int)size, name, (int)size, name);
    if (has_default && (!value || !*value))
        emit_value(expansion, begin, end + 1, rest + 2, (size_t)(end - rest - 2));
    else
        emit_value(expansion, begin, end + 1, value, strlen(value));
    *at = end + 1;
    return OUTBOX_OK;
}

static int expand_all(struct expansion *expansion)
{
    const char *at = expansion->entry->text;
    if (expansion->conninfo)
        obx_conninfo_begin(expansion->conninfo, at);
    while (*at) {
        int code = OUTBOX_OK;
        if (!strncmp(at, "$${", 3)) {
            emit_literal(expansion, "${", 2);
            at += 3;
        } else if (!strncmp(at, "${", 2)) {
            code = expand_one(expansion, &at);
        } else {
            emit_literal(expansion, at++, 1);
        }
        if (code)
            return code;
    }
    return OUTBOX_OK;
}

/* Expanded twice, to measure and to write, so that a secret is in one block only, which is wiped at the end. */
static int expand(struct obx_config *config, const struct obx_entry *entry, bool quotes, const char **text,
                  struct outbox_error *error)
{
    struct obx_conninfo conninfo;
    *text = entry->text;
    if (!strstr(entry->text, "${"))
        return OUTBOX_OK;
    struct expansion expansion = {
        .config = config, .entry = entry, .conninfo = quotes ? &conninfo : NULL, .error = error};
    int code = expand_all(&expansion);
    if (code)
        return code;
    size_t room = expansion.out.size;
    config->expanded += room;
    if (room > OBX_EXPANDED_MAX_SIZE || config->expanded > OBX_EXPANDED_ALL_SIZE)
        return REFUSE(&expansion, entry->text,
                      "with what its references stand for, the value is larger than 1 MiB, or all values together are "
                      "larger than 64 MiB");
    char *to = obx_config_alloc(config, room + 1);
    if (!to)
        return obx_error_no_memory(error);
    expansion.out = (struct output){.to = to, .room = room};
    *text = to;
    return expand_all(&expansion);
}

/* ---- a whole scalar ---- */

static bool is_null(const struct obx_entry *entry)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; entry->plain && i < sizeof nulls / sizeof *nulls; i++)
        if (!strcmp(entry->text, nulls[i]))
            return true;
    return false;
}

int obx_entry_resolve(const struct obx_section *section, const struct obx_entry *entry, uint32_t how, const char **text,
                      struct outbox_error *error)
{
    struct obx_config *config = section->config;
    if (entry->section)
        return obx_location_error(config->name, entry->key_location, error, "'%s' must be one value, not a section",
                                  entry->key);
    if (is_null(entry))
        return obx_location_error(config->name, entry->value_location, error,
                                  "'%s' has no value; write a value (\"\" is the empty text) or remove the key",
                                  entry->key);
    *text = entry->text;
    int code = how & OBX_RESOLVE_VERBATIM ? OUTBOX_OK : expand(config, entry, how & OBX_RESOLVE_CONNINFO, text, error);
    if (code || !(how & OBX_RESOLVE_FILE) || strncmp(entry->text, "file:", 5))
        return code;
    return obx_secret_read(config, entry, *text + 5, text, error);
}
