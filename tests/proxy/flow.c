/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/proxy/flow.c - one direction of a link: read, queue until due, write
 *
 * Bytes wait in chunks, in order. A full queue stops reading, so that the sender sees back-pressure. The end of the
 * stream follows the bytes. An error resets the link, except in a blackhole, where it is discarded.
 */
#include <stdlib.h>

#include "proxy.h"

#define QUEUE_MAX (256u * 1024)
#define READ_SIZE (64u * 1024)

static void pump(struct proxy_flow *flow);

static bool is_blackhole(const struct proxy_flow *flow)
{
    return flow->rule->mode == PROXY_BLACKHOLE;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void allocate_chunk(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    struct proxy_chunk *chunk = malloc(sizeof *chunk + READ_SIZE);
    *buf = uv_buf_init(chunk ? chunk->data : NULL, chunk ? READ_SIZE : 0);
}

static struct proxy_chunk *chunk_of(const uv_buf_t *buf)
{
    return buf->base ? (struct proxy_chunk *)(void *)(buf->base - offsetof(struct proxy_chunk, data)) : NULL;
}

static void enqueue(struct proxy_flow *flow, struct proxy_chunk *chunk, size_t size)
{
    uint64_t jitter = flow->rule->jitter_ms ? (uint64_t)random() % (flow->rule->jitter_ms + 1) : 0;
    *chunk = (struct proxy_chunk){.due = uv_now(flow->timer.loop) + flow->rule->latency_ms + jitter, .size = size};
    *flow->last = chunk;
    flow->last = &chunk->next;
    flow->queued += size;
    if (flow->queued >= QUEUE_MAX)
        uv_read_stop((uv_stream_t *)flow->from);
    pump(flow);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct proxy_flow *flow = stream->data;
    struct proxy_chunk *chunk = chunk_of(buf);
    if (size > 0 && !is_blackhole(flow)) {
        enqueue(flow, chunk, (size_t)size);
        return;
    }
    free(chunk);
    if (size == 0)
        return;
    if (size < 0)
        uv_read_stop(stream);
    if (is_blackhole(flow)) {
        flow->link->lost = true;
    } else if (size == UV_EOF || flow->rule->mode == PROXY_STALL) { /* what has come waits */
        flow->ended = true;
        pump(flow);
    } else {
        proxy_link_reset(flow->link);
    }
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
    struct proxy_flow *flow = shutdown->data;
    (void)status;
    flow->finished = true;
    proxy_link_finished(flow->link);
}

static void remove_first(struct proxy_flow *flow)
{
    struct proxy_chunk *chunk = flow->first;
    flow->first = chunk->next;
    if (!flow->first)
        flow->last = &flow->first;
    flow->queued -= chunk->size;
    free(chunk);
}

static void on_write(uv_write_t *write, int status)
{
    struct proxy_flow *flow = write->data;
    flow->writing = false;
    if (flow->link->closing)
        return;
    if (status < 0 || (flow->rule->cut && flow->left == 0)) {
        proxy_link_reset(flow->link);
        return;
    }
    if (flow->first && flow->first->sent == flow->first->size)
        remove_first(flow);
    if (flow->rule->mode == PROXY_PASS && flow->queued < QUEUE_MAX && !flow->ended)
        uv_read_start((uv_stream_t *)flow->from, allocate_chunk, on_read);
    pump(flow);
}

/* The number of bytes of the first chunk that may be written now. */
static size_t allowed(const struct proxy_flow *flow)
{
    size_t size = flow->first->size - flow->first->sent;
    uint64_t slice = flow->rule->rate / 50 + 1; /* of 20 ms */
    if (flow->rule->rate && size > slice)
        size = slice;
    return flow->rule->cut && size > flow->left ? flow->left : size;
}

static void write_chunk(struct proxy_flow *flow)
{
    struct proxy_chunk *chunk = flow->first;
    size_t size = allowed(flow);
    uv_buf_t buf = uv_buf_init(chunk->data + chunk->sent, (unsigned)size);
    chunk->sent += size;
    flow->left -= flow->rule->cut ? size : 0;
    flow->free_at = uv_now(flow->timer.loop) + (flow->rule->rate ? size * 1000 / flow->rule->rate : 0);
    flow->link->route->passed[flow - flow->link->flows] += size;
    flow->write.data = flow;
    flow->writing = true;
    if (uv_write(&flow->write, (uv_stream_t *)flow->to, &buf, 1, on_write))
        proxy_link_reset(flow->link);
}

static void on_timer(uv_timer_t *timer)
{
    pump(timer->data);
}

static void pump(struct proxy_flow *flow)
{
    if (flow->writing || flow->finished || flow->link->closing || !flow->link->connected ||
        flow->rule->mode != PROXY_PASS)
        return;
    if (!flow->first) {
        if (flow->ended && !flow->shutdown.data) {
            flow->shutdown.data = flow;
            if (uv_shutdown(&flow->shutdown, (uv_stream_t *)flow->to, on_shutdown))
                proxy_link_reset(flow->link);
        }
        return;
    }
    uint64_t now = uv_now(flow->timer.loop), due = flow->first->due > flow->free_at ? flow->first->due : flow->free_at;
    if (due > now)
        uv_timer_start(&flow->timer, on_timer, due - now, 0);
    else
        write_chunk(flow);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

void proxy_flow_open(struct proxy_flow *flow, uv_loop_t *loop)
{
    flow->last = &flow->first;
    flow->from->data = flow;
    flow->left = flow->rule->cut_after;
    uv_timer_init(loop, &flow->timer);
    flow->timer.data = flow;
}

void proxy_flow_start(struct proxy_flow *flow)
{
    if (flow->rule->mode != PROXY_STALL && !flow->ended && flow->queued < QUEUE_MAX)
        uv_read_start((uv_stream_t *)flow->from, allocate_chunk, on_read);
    pump(flow);
}

/* A chunk that is being written stays: the kernel reads it. */
void proxy_flow_drop(struct proxy_flow *flow)
{
    while (flow->first && !flow->writing) {
        remove_first(flow);
        flow->link->lost = true;
    }
}

void proxy_flow_changed(struct proxy_flow *flow)
{
    flow->left = flow->rule->cut_after;
    uv_timer_stop(&flow->timer);
    if (flow->rule->mode == PROXY_STALL)
        uv_read_stop((uv_stream_t *)flow->from);
    else if (flow->link->connected)
        proxy_flow_start(flow);
    if (is_blackhole(flow))
        proxy_flow_drop(flow);
}
