/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/embed/static.c - liboutbox.a and the writers' archives in one program
 *
 * Links every function of the writers, so that no name of an archive is in the way of another one's. Then a relay runs
 * with plugins that are built in, and the maps of the process prove that no module was loaded. The plugin directory has
 * no modules: the library must not find those of the build tree.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <outbox/outbox.h>
#ifdef WITH_POSTGRES
#include <outbox/postgres.h>
#endif
#ifdef WITH_MYSQL
#include <outbox/mysql.h>
#endif
#ifdef WITH_SQLITE
#include <outbox/sqlite.h>
#endif

typedef void any_function(void);
#define ANY(function) ((any_function *)(function))

/* Not static, so that the compiler keeps it. */
any_function *const linked[] = {
#ifdef WITH_POSTGRES
    ANY(outbox_pg_add),           ANY(outbox_pg_add_many),       ANY(outbox_pg_emit),
    ANY(outbox_pg_inbox_take),    ANY(outbox_pg_statement),      ANY(outbox_pg_emit_statement),
    ANY(outbox_pg_inserted),      ANY(outbox_pg_statement_free),
#endif
#ifdef WITH_MYSQL
    ANY(outbox_mysql_add),        ANY(outbox_mysql_add_many),    ANY(outbox_mysql_inbox_take),
    ANY(outbox_mysql_statement),
#endif
#ifdef WITH_SQLITE
    ANY(outbox_sqlite_add),       ANY(outbox_sqlite_add_many),   ANY(outbox_sqlite_inbox_take),
    ANY(outbox_sqlite_statement),
#endif
    ANY(outbox_error_name)};

static void must(int status, const struct outbox_error *error)
{
    if (!status)
        return;
    fprintf(stderr, "embed-static: %s\n", error->text);
    exit(1);
}

/* Is a file of this name mapped? */
static int has_loaded(const char *name)
{
    char line[4096];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof line, maps))
        found |= strstr(line, name) != NULL;
    if (maps)
        fclose(maps);
    return !maps || found;
}

int main(void)
{
    const struct outbox_options options = {
        .struct_size = sizeof options,
        .plugin_dir = "/nonexistent",
        .config_text = "relays: {orders: {store: {plugin: memory, events: 1000}, broker: {plugin: memory}}}\n"};
    struct outbox *relay;
    struct outbox_error error = {0};
    must(outbox_new(&options, &relay, &error), &error);
    must(outbox_start(relay, &error), &error);
    must(outbox_drain(relay, 60000, &error), &error);
    must(outbox_stop(relay, 60000, &error), &error);
    outbox_free(relay);
    if (!has_loaded("outbox-store-") && !has_loaded("outbox-broker-") && has_loaded("test-embed-static"))
        return 0;
    fputs("embed-static: a module was loaded, or the maps could not be read\n", stderr);
    return 1;
}
