/* SPDX-License-Identifier: Apache-2.0 */
/* tests/stores/mysql/blocking.c - replaces libc's calls that may block, and records them */
#undef _FILE_OFFSET_BITS /* open and open64 are two here */
#undef _FORTIFY_SOURCE   /* the headers would define some of these calls inline */
#include "blocking.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static _Thread_local struct blocking *watched; /* NULL: off */
static _Thread_local double step_ms, step_cpu_ms;

static double now_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void step_begins(void)
{
    step_ms = now_ms(CLOCK_MONOTONIC);
    step_cpu_ms = now_ms(CLOCK_THREAD_CPUTIME_ID);
}

static void step_ends(void)
{
    double ms = now_ms(CLOCK_MONOTONIC) - step_ms, cpu_ms = now_ms(CLOCK_THREAD_CPUTIME_ID) - step_cpu_ms;
    watched->steps++;
    watched->worst_ms = ms > watched->worst_ms ? ms : watched->worst_ms;
    watched->worst_cpu_ms = cpu_ms > watched->worst_cpu_ms ? cpu_ms : watched->worst_cpu_ms;
}

void blocking_begin(struct blocking *into)
{
    watched = into;
    step_begins();
}

void blocking_end(void)
{
    step_ends();
    watched = NULL;
}

static void note(const char *call)
{
    if (watched && !watched->calls++)
        snprintf(watched->first, sizeof watched->first, "%s", call);
}

static void note_io(const char *call, int fd, int flags)
{
    int saved = errno;
    int mode = watched && !(flags & MSG_DONTWAIT) ? fcntl(fd, F_GETFL) : O_NONBLOCK;
    if (watched && mode >= 0 && !(mode & O_NONBLOCK))
        note(call);
    else if (watched)
        watched->io++;
    errno = saved;
}

/* The next definition of the same name: libc's, or a sanitizer's before it. */
#define NEXT(name) ((__typeof__(&name))(uintptr_t)dlsym(RTLD_NEXT, #name))

#pragma GCC visibility push(default) /* seen by the libraries, instead of libc's */

/* ---- reading, writing, connecting -------------------------------------------------------------------------------- */

ssize_t recv(int fd, void *data, size_t size, int flags)
{
    note_io("recv", fd, flags);
    return NEXT(recv)(fd, data, size, flags);
}

ssize_t send(int fd, const void *data, size_t size, int flags)
{
    note_io("send", fd, flags);
    return NEXT(send)(fd, data, size, flags);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    note_io("recvmsg", fd, flags);
    return NEXT(recvmsg)(fd, message, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    note_io("sendmsg", fd, flags);
    return NEXT(sendmsg)(fd, message, flags);
}

ssize_t read(int fd, void *data, size_t size)
{
    note_io("read", fd, 0);
    return NEXT(read)(fd, data, size);
}

ssize_t write(int fd, const void *data, size_t size)
{
    note_io("write", fd, 0);
    return NEXT(write)(fd, data, size);
}

int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t size)
{
    note_io("connect", fd, 0);
    return NEXT(connect)(fd, address, size);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    if (timeout)
        note("poll");
    return NEXT(poll)(fds, count, timeout);
}

int select(int count, fd_set *read_fds, fd_set *write_fds, fd_set *except_fds, struct timeval *timeout)
{
    if (!timeout || timeout->tv_sec || timeout->tv_usec)
        note("select");
    return NEXT(select)(count, read_fds, write_fds, except_fds, timeout);
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
    note("nanosleep");
    return NEXT(nanosleep)(time, left);
}

int usleep(useconds_t us)
{
    note("usleep");
    return NEXT(usleep)(us);
}

unsigned sleep(unsigned seconds)
{
    note("sleep");
    return NEXT(sleep)(seconds);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    note("getaddrinfo");
    return NEXT(getaddrinfo)(name, service, hints, found);
}

/* The loop's own wait, where a step ends and the next begins. */
int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout)
{
    if (watched)
        step_ends();
    int count = NEXT(epoll_wait)(epoll, events, max, timeout);
    step_begins();
    return count;
}

int epoll_pwait(int epoll, struct epoll_event *events, int max, int timeout, const sigset_t *signals)
{
    if (watched)
        step_ends();
    int count = NEXT(epoll_pwait)(epoll, events, max, timeout, signals);
    step_begins();
    return count;
}

/* ---- files: certificates take their time ------------------------------------------------------------------------- */

FILE *fopen(const char *path, const char *mode)
{
    note("fopen");
    return NEXT(fopen)(path, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
    note("fopen64");
    return NEXT(fopen64)(path, mode);
}

static unsigned mode_of(int flags, va_list list)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(list, unsigned) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    unsigned mode = mode_of(flags, list);
    va_end(list);
    note("open");
    return NEXT(open)(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    unsigned mode = mode_of(flags, list);
    va_end(list);
    note("open64");
    return NEXT(open64)(path, flags, mode);
}
