/* tests/file/quiet_host.c - see quiet_host.h */
#include "quiet_host.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

static char line[1024];

static void keep(const struct outbox_host *host, enum outbox_log_level level, const char *format, ...)
{
    (void)host, (void)level;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
}

static void *alloc(const struct outbox_host *host, size_t size)
{
    (void)host;
    return obx_alloc(size);
}

static void release(const struct outbox_host *host, void *memory)
{
    (void)host;
    obx_free(memory);
}

const struct outbox_host quiet_host = {
    .struct_size = sizeof(struct outbox_host), .log = keep, .alloc = alloc, .release = release};

const char *quiet_log(void)
{
    return line;
}

void quiet_forget(void)
{
    line[0] = 0;
}
