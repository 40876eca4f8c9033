/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/end-to-end/kills/kills.c - kills the relay hundreds of times, at any instruction, and checks the guarantees
 *
 *     outbox-kills --outbox PROGRAM --oracle PROGRAM --writer PROGRAM [--kills N] [--seed N] [--keep] [--faults]
 *                  [--gently]
 *
 * Two writers commit and roll back all the time. Relays are killed with SIGKILL after random progress of the output or
 * at a random moment of their start. They crash before or after a claim, a publish, a settle, or a system call that
 * changes a file; a standby replaces them; they are paused for longer than their lease. Writers are killed now and
 * then. In the end the outbox is drained, and the oracle checks. With --gently relays get SIGTERM only, and duplicates
 * are not allowed. Exit codes: 0 all guarantees kept, 1 a failure.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "scene.h"

#define WINDOW 2000u /* events: 256 KiB of small rows, twice: a paused owner has its own window */
#define PROGRESS_TIMEOUT_MS 120000u

struct kills {
    struct scene scene;
    unsigned target, done;
    bool keep, faults, traces, gently;
    unsigned by_progress, by_time, by_failpoint, by_syscall, by_standby, by_pause, terms;
};

static void pause_us(uint64_t us)
{
    nanosleep(&(struct timespec){(time_t)(us / 1000000), (long)(us % 1000000) * 1000}, NULL);
}

/* SIGKILL. A relay that has ended by itself fails the test. */
static bool kill_relay(struct kills *kills, pid_t relay)
{
    int status;
    if (proc_ended(relay, &status)) {
        fprintf(stderr, "kills: a relay ended by itself, status %d; see %s\n", status, kills->scene.log);
        return false;
    }
    proc_kill(relay);
    kills->done++;
    kills->scene.incidents++;
    return true;
}

static bool after_progress(struct kills *kills)
{
    pid_t relay = scene_start_relay(&kills->scene, SCENE_NO_FAULT, NULL);
    uint64_t goal = scene_published(&kills->scene) + 1 + scene_random(&kills->scene, 40000);
    kills->by_progress++;
    if (!scene_until_published(&kills->scene, goal, PROGRESS_TIMEOUT_MS)) {
        fprintf(stderr, "kills: nothing was published for %u ms; see %s\n", PROGRESS_TIMEOUT_MS, kills->scene.log);
        kills->keep = true;
        kill_relay(kills, relay);
        return false;
    }
    return kill_relay(kills, relay);
}

/* Short times are more probable: start and recovery are the critical phases. */
static bool after_time(struct kills *kills)
{
    pid_t relay = scene_start_relay(&kills->scene, SCENE_NO_FAULT, NULL);
    kills->by_time++;
    pause_us(scene_random(&kills->scene, 1 + (UINT64_C(1) << (6 + scene_random(&kills->scene, 10)))));
    return kill_relay(kills, relay);
}

struct failpoint {
    enum scene_fault where;
    const char *call;
};

static bool at_failpoint(struct kills *kills)
{
    static const struct failpoint points[] = {{SCENE_FAULT_STORE, "claim"},    {SCENE_FAULT_STORE, "settle"},
                                              {SCENE_FAULT_BROKER, "publish"}, {SCENE_FAULT_STORE, "start"},
                                              {SCENE_FAULT_STORE, "acquire"},  {SCENE_FAULT_BROKER, "start"}};
    const struct failpoint *point = &points[scene_random(&kills->scene, 6)];
    bool once = strcmp(point->call, "start") == 0 || strcmp(point->call, "acquire") == 0;
    char fault[96];
    snprintf(fault, sizeof fault, "calls: %s, effect: %s, nth: %u", point->call,
             scene_random(&kills->scene, 2) ? "crash_before" : "crash_after",
             once ? 1 : 1 + (unsigned)scene_random(&kills->scene, 12));
    pid_t relay = scene_start_relay(&kills->scene, point->where, fault);
    int status = proc_end(relay);
    kills->by_failpoint++;
    kills->done++;
    kills->scene.incidents++;
    if (status != -1 && (WIFSIGNALED(status) || WEXITSTATUS(status) == 137))
        return true;
    fprintf(stderr, "kills: a relay with the fault {%s} ended with status %d; see %s\n", fault, status,
            kills->scene.log);
    return false;
}

/* Immediately before or after a call that changes a file, or any call. */
static bool at_syscall(struct kills *kills)
{
    static const long calls[] = {SYS_write, SYS_pwrite64, SYS_fdatasync, SYS_fsync,    SYS_renameat, SYS_ftruncate,
                                 SYS_fcntl, SYS_openat,   SYS_unlink,    SYS_pwritev2, -1,           -1};
    struct scene *scene = &kills->scene;
    struct trace_point point = {.syscall = calls[scene_random(scene, sizeof calls / sizeof calls[0])],
                                .after = scene_random(scene, 2),
                                .timeout_ms = 250};
    point.nth = 1 + (unsigned)scene_random(scene, point.syscall < 0 ? 2000 : 40);
    kills->done++;
    scene->incidents++;
    switch (scene_trace_relay(scene, &point)) {
    case TRACE_ENDED:
        fprintf(stderr, "kills: a traced relay ended by itself; see %s\n", scene->log);
        return false;
    case TRACE_UNSUPPORTED:
        fprintf(stderr, "kills: processes cannot be traced here; no more kills at system calls\n");
        kills->traces = false;
        return true;
    case TRACE_KILLED:
        kills->by_syscall++;
        return true;
    default:
        kills->by_time++;
        return true;
    }
}

/* SIGTERM: it exits 0 in time. Not an incident: no duplicates are allowed. */
static bool by_term(struct kills *kills)
{
    pid_t relay = scene_start_relay(&kills->scene, SCENE_NO_FAULT, NULL);
    uint64_t goal = scene_published(&kills->scene) + 1 + scene_random(&kills->scene, 20000);
    bool ok = scene_until_published(&kills->scene, goal, PROGRESS_TIMEOUT_MS);
    kill(relay, SIGTERM);
    int status = proc_end(relay);
    kills->terms++;
    if (ok && status == 0)
        return true;
    fprintf(stderr, "kills: after SIGTERM a relay ended with status %d; see %s\n", status, kills->scene.log);
    return false;
}

/* A standby takes over when the owner is killed. */
static bool by_standby(struct kills *kills)
{
    struct scene *scene = &kills->scene;
    pid_t first = scene_start_relay(scene, SCENE_NO_FAULT, NULL);
    bool ok = scene_until_published(scene, scene_published(scene) + 1, PROGRESS_TIMEOUT_MS);
    pid_t second = scene_start_relay(scene, SCENE_NO_FAULT, NULL);
    ok = ok && scene_until_published(scene, scene_published(scene) + scene_random(scene, 40000), PROGRESS_TIMEOUT_MS);
    ok = kill_relay(kills, first) && ok;
    ok = ok && scene_until_published(scene, scene_published(scene) + 20000, PROGRESS_TIMEOUT_MS);
    kills->by_standby++;
    if (!ok)
        fprintf(stderr, "kills: the standby did not take where; see %s\n", scene->log);
    return kill_relay(kills, second) && ok;
}

/* A paused owner is fenced after its lease. When it resumes it must not break a guarantee, and one of the two relays.
 */
static bool by_pause(struct kills *kills)
{
    struct scene *scene = &kills->scene;
    pid_t first = scene_start_relay(scene, SCENE_NO_FAULT, NULL);
    bool ok =
        scene_until_published(scene, scene_published(scene) + 1 + scene_random(scene, 40000), PROGRESS_TIMEOUT_MS);
    pid_t second = scene_start_relay(scene, SCENE_NO_FAULT, NULL);
    kill(first, SIGSTOP);
    pause_us(1200000 + scene_random(scene, 400000));
    kill(first, SIGCONT);
    scene->incidents++;
    ok = ok && scene_until_published(scene, scene_published(scene) + 40000, PROGRESS_TIMEOUT_MS);
    if (!ok)
        fprintf(stderr, "kills: no relay published after a pause; see %s\n", scene->log);
    kills->by_pause++;
    ok = kill_relay(kills, first) && ok;
    ok = ok && scene_until_published(scene, scene_published(scene) + 1000, PROGRESS_TIMEOUT_MS);
    return kill_relay(kills, second) && ok;
}

static bool run_one(struct kills *kills)
{
    uint64_t way = scene_random(&kills->scene, 100);
    if (kills->done % 20 == 19 && !scene_replace_writer(&kills->scene, (unsigned)(way % SCENE_WRITERS)))
        return false;
    if (kills->gently) {
        kills->done++;
        return by_term(kills);
    }
    if (kills->by_pause < kills->done / 90)
        return by_pause(kills);
    if (way < 8)
        return by_standby(kills);
    if (way >= 95)
        return by_term(kills);
    if (way < 30 && kills->faults)
        return at_failpoint(kills);
    if (way < 50 && kills->traces)
        return at_syscall(kills);
    return way < 75 ? after_progress(kills) : after_time(kills);
}

static bool run(struct kills *kills)
{
    uint64_t begin = proc_now_us();
    bool ok = scene_open(&kills->scene) && scene_start_writers(&kills->scene, 1000);
    while (ok && kills->done < kills->target)
        ok = run_one(kills);
    printf("killed %u relays in %.1f s: %u by progress, %u by time, %u at failpoints, %u at system calls, "
           "%u with a standby, %u paused; %u terminated\n",
           kills->done, (double)(proc_now_us() - begin) / 1e6, kills->by_progress, kills->by_time, kills->by_failpoint,
           kills->by_syscall, kills->by_standby, kills->by_pause, kills->terms);
    fflush(stdout);
    ok = scene_stop_writers(&kills->scene) && ok; /* always: the oracle needs a database without writers */
    ok = ok && scene_drain(&kills->scene);
    ok = scene_check(&kills->scene, WINDOW) && ok;
    scene_close(&kills->scene, kills->keep || !ok);
    return ok;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"outbox", 1, NULL, 'o'}, {"oracle", 1, NULL, 'j'}, {"writer", 1, NULL, 'w'},
        {"kills", 1, NULL, 'n'},  {"seed", 1, NULL, 's'},   {"keep", 0, NULL, 'k'},
        {"faults", 0, NULL, 'f'}, {"gently", 0, NULL, 'g'}, {0}};
    struct kills kills = {.target = 200, .traces = true, .scene.seed = 1};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'o':
            kills.scene.outbox = optarg;
            break;
        case 'j':
            kills.scene.oracle = optarg;
            break;
        case 'w':
            kills.scene.writer = optarg;
            break;
        case 'n':
            kills.target = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 's':
            kills.scene.seed = strtoull(optarg, NULL, 10);
            break;
        case 'k':
            kills.keep = true;
            break;
        case 'g':
            kills.gently = true;
            break;
        case 'f':
            kills.faults = true;
            break;
        default:
            return 64;
        }
    }
    if (!kills.scene.outbox || !kills.scene.oracle || !kills.scene.writer) {
        fputs("usage: see the head of kills.c\n", stderr);
        return 64;
    }
    return run(&kills) ? 0 : 1;
}
