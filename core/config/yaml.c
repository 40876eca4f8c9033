/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/config/yaml.c - builds sections from a YAML text, by the events of libyaml
 *
 * Supported is the part of YAML that a configuration needs: mappings and scalars. Anchors, aliases, tags, lists,
 * several documents and duplicate keys are refused with advice. Depth and size are limited, so that the cost of any
 * text is linear in its size. Scalars stay text; option tables give them types later. Failure: CONFIG with the location
 * of the first fault, or NO_MEMORY.
 */
#include <string.h>
#include <yaml.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "config/limits.h"
#include "config/tree.h"

struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the current one */
    bool has_event;
    struct obx_config *config;
    const char *name;
    const char *text;
    size_t size;
    struct outbox_error *error;
};

static struct obx_location location_of(yaml_mark_t mark)
{
    return (struct obx_location){(uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

#define REFUSE(reader, mark, ...) obx_location_error((reader)->name, location_of(mark), (reader)->error, __VA_ARGS__)

static struct obx_location location_of_offset(const struct reader *reader, size_t offset)
{
    const char *line = reader->text, *at = reader->text + OBX_MIN(offset, reader->size);
    struct obx_location location = {1, 1};
    for (const char *p = reader->text; p < at; p++)
        if (*p == '\n') {
            location.line++;
            line = p + 1;
        }
    location.column += (uint32_t)obx_utf8_count(line, (size_t)(at - line));
    return location;
}

/* ---- syntax errors ---- */

static char byte_at(const struct reader *reader, yaml_mark_t mark)
{
    const char *at = reader->text, *end = reader->text + reader->size;
    for (size_t line = 0; line < mark.line; line++) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        if (!next)
            return '\0';
        at = next + 1;
    }
    for (size_t column = 0; column < mark.column && at < end; column++)
        at += OBX_MAX(obx_utf8_length(at, (size_t)(end - at)), (size_t)1);
    return at < end ? *at : '\0';
}

static const char *advice(const struct reader *reader, const char *problem)
{
    if (byte_at(reader, reader->parser.problem_mark) == '\t')
        return "; indent with spaces, not with tabs";
    if (!strcmp(problem, "mapping values are not allowed in this context"))
        return "; put a value that has ': ' in it in quotes";
    if (!strcmp(problem, "found character that cannot start any token"))
        return "; put the value in quotes";
    return "";
}

static int syntax_error(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return obx_error_no_memory(reader->error);
    const char *problem = parser->problem ? parser->problem : "unknown fault";
    if (parser->error == YAML_READER_ERROR)
        return obx_location_error(reader->name, location_of_offset(reader, parser->problem_offset), reader->error,
                                  "not valid YAML: %s (0x%02x)", problem, (unsigned)parser->problem_value);
    if (!parser->context || strstr(parser->context, "next token")) /* libyaml's "while scanning for the next token" */
        return REFUSE(reader, parser->problem_mark, "not valid YAML: %s%s", problem, advice(reader, problem));
    return REFUSE(reader, parser->problem_mark, "not valid YAML: %s, %s that begins on line %zu%s", problem,
                  parser->context, parser->context_mark.line + 1, advice(reader, problem));
}

/* ---- events ---- */

static void drop_event(struct reader *reader)
{
    if (!reader->has_event)
        return;
    if (reader->event.type == YAML_SCALAR_EVENT)
        obx_wipe(reader->event.data.scalar.value, reader->event.data.scalar.length);
    yaml_event_delete(&reader->event);
    reader->has_event = false;
}

static int check_node(struct reader *reader, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor)
        return REFUSE(reader, reader->event.start_mark, "anchors are not supported; remove '&%s'",
                      (const char *)anchor);
    if (tag)
        return REFUSE(reader, reader->event.start_mark, "tags are not supported; remove '%s'", (const char *)tag);
    return OUTBOX_OK;
}

static int next_event(struct reader *reader)
{
    drop_event(reader);
    if (!yaml_parser_parse(&reader->parser, &reader->event))
        return syntax_error(reader);
    reader->has_event = true;
    const yaml_event_t *event = &reader->event;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return REFUSE(reader, event->start_mark,
                      "aliases are not supported; write the value of '*%s' here, or quote it",
                      (const char *)event->data.alias.anchor);
    case YAML_SEQUENCE_START_EVENT:
        return REFUSE(reader, event->start_mark,
                      "lists are not supported; write the items in one value, separated by commas");
    case YAML_MAPPING_START_EVENT:
        return check_node(reader, event->data.mapping_start.anchor, event->data.mapping_start.tag);
    case YAML_SCALAR_EVENT:
        return check_node(reader, event->data.scalar.anchor, event->data.scalar.tag);
    default:
        return OUTBOX_OK;
    }
}

/* ---- the tree ---- */

/* Copy the current scalar into the config's memory. */
static int copy_scalar(struct reader *reader, const char **text, size_t *size)
{
    const char *value = (const char *)reader->event.data.scalar.value;
    *size = reader->event.data.scalar.length;
    if (memchr(value, '\0', *size))
        return REFUSE(reader, reader->event.start_mark, "a value must not contain a NUL character");
    *text = obx_config_strndup(reader->config, value, *size);
    return *text ? OUTBOX_OK : obx_error_no_memory(reader->error);
}

static int read_scalar(struct reader *reader, struct obx_entry *entry)
{
    const yaml_event_t *event = &reader->event;
    int code = copy_scalar(reader, &entry->text, &entry->size);
    if (code)
        return code;
    entry->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    size_t quotes = entry->plain ? 0 : 2;
    entry->same_in_file =
        event->start_mark.line == event->end_mark.line &&
        event->end_mark.column - event->start_mark.column == obx_utf8_count(entry->text, entry->size) + quotes;
    return OUTBOX_OK;
}

static int read_mapping(struct reader *reader, struct obx_section *section, unsigned depth);

static int read_section(struct reader *reader, struct obx_entry *entry, unsigned depth)
{
    if (depth > OBX_CONFIG_MAX_DEPTH)
        return REFUSE(reader, reader->event.start_mark, "more than %d sections in one another", OBX_CONFIG_MAX_DEPTH);
    entry->section = obx_section_new(reader->config, entry->key, entry->key_location);
    return entry->section ? read_mapping(reader, entry->section, depth) : obx_error_no_memory(reader->error);
}

static int read_value(struct reader *reader, struct obx_entry *entry, unsigned depth)
{
    int code = next_event(reader);
    if (code)
        return code;
    entry->value_location = location_of(reader->event.start_mark);
    return reader->event.type == YAML_SCALAR_EVENT ? read_scalar(reader, entry)
                                                   : read_section(reader, entry, depth + 1);
}

static int check_key(struct reader *reader, const struct obx_section *section, const char *key)
{
    yaml_mark_t mark = reader->event.start_mark;
    const struct obx_entry *same = obx_section_entry(section, key);
    if (same)
        return REFUSE(reader, mark, "key '%s' is given twice, first on line %u; remove one", key,
                      same->key_location.line);
    return obx_section_check_key(section, key, location_of(mark), reader->error);
}

static int read_entry(struct reader *reader, struct obx_section *section, unsigned depth)
{
    if (reader->event.type != YAML_SCALAR_EVENT)
        return REFUSE(reader, reader->event.start_mark, "a key must be one word, not a mapping");
    struct obx_entry *entry = obx_config_alloc(reader->config, sizeof *entry);
    if (!entry)
        return obx_error_no_memory(reader->error);
    size_t size;
    entry->key_location = location_of(reader->event.start_mark);
    int code = copy_scalar(reader, &entry->key, &size);
    if (!code)
        code = check_key(reader, section, entry->key);
    if (!code)
        code = read_value(reader, entry, depth);
    if (!code)
        obx_section_append(section, entry);
    return code;
}

static int read_mapping(struct reader *reader, struct obx_section *section, unsigned depth)
{
    for (;;) {
        int code = next_event(reader);
        if (!code && reader->event.type == YAML_MAPPING_END_EVENT)
            return OUTBOX_OK;
        if (!code)
            code = read_entry(reader, section, depth);
        if (code)
            return code;
    }
}

static int read_root(struct reader *reader, struct obx_section *root)
{
    const yaml_event_t *event = &reader->event;
    if (event->type == YAML_MAPPING_START_EVENT)
        return read_mapping(reader, root, 1);
    if (event->type == YAML_SCALAR_EVENT && !event->data.scalar.length)
        return OUTBOX_OK; /* only "---" */
    return REFUSE(reader, event->start_mark, "expected keys with values, like 'relays:'");
}

static int read_document(struct reader *reader, struct obx_section *root)
{
    int code = next_event(reader); /* the stream's start */
    if (!code)
        code = next_event(reader);
    if (code || reader->event.type == YAML_STREAM_END_EVENT)
        return code;
    code = next_event(reader);
    if (!code)
        code = read_root(reader, root);
    if (!code)
        code = next_event(reader); /* the document's end */
    if (!code)
        code = next_event(reader);
    if (!code && reader->event.type != YAML_STREAM_END_EVENT)
        return REFUSE(reader, reader->event.start_mark, "a second document begins; one file holds one configuration");
    return code;
}

/* libyaml also accepts other encodings and skips a byte order mark, but then its locations differ from an editor's. */
static int check_text(struct reader *reader)
{
    if (reader->size > OBX_CONFIG_MAX_SIZE)
        return obx_location_error(reader->name, (struct obx_location){1, 1}, reader->error,
                                  "the file is larger than 1MiB, the limit of a configuration");
    if (reader->size >= 3 && !memcmp(reader->text, "\xef\xbb\xbf", 3)) {
        reader->text += 3;
        reader->size -= 3;
    }
    size_t valid = obx_utf8_prefix(reader->text, reader->size);
    if (valid < reader->size)
        return obx_location_error(reader->name, location_of_offset(reader, valid), reader->error,
                                  "byte 0x%02x is not UTF-8; save the file as UTF-8",
                                  (unsigned char)reader->text[valid]);
    return OUTBOX_OK;
}

/* libyaml frees its buffers without wiping them, and they may contain a password. The scanner's temporary strings
 * cannot be reached: to leave no trace of a secret there, put it in a file (file:PATH). */
static void close_parser(yaml_parser_t *parser)
{
    if (parser->raw_buffer.start)
        obx_wipe(parser->raw_buffer.start, (size_t)(parser->raw_buffer.end - parser->raw_buffer.start));
    if (parser->buffer.start)
        obx_wipe(parser->buffer.start, (size_t)(parser->buffer.end - parser->buffer.start));
    yaml_parser_delete(parser);
}

int obx_yaml_read(struct obx_config *config, const char *name, const char *text, size_t size, struct obx_section **root,
                  struct outbox_error *error)
{
    struct reader reader = {.config = config, .name = name, .text = text, .size = size, .error = error};
    int code = check_text(&reader);
    if (code)
        return code;
    *root = obx_section_new(config, "", (struct obx_location){1, 1});
    if (!*root || !yaml_parser_initialize(&reader.parser))
        return obx_error_no_memory(error);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)reader.text, reader.size);
    code = read_document(&reader, *root);
    drop_event(&reader);
    close_parser(&reader.parser);
    return code;
}
