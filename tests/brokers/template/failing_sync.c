/* SPDX-License-Identifier: Apache-2.0 */
/* tests/brokers/template/failing_sync.c - fsync() of the plugins under test: fails for directories while the test wants
 * it */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int fd) /* -Dfsync=test_fsync: the plugins call it by that name */
{
    struct stat status;
    if (getenv("TEST_FAIL_DIRECTORY_SYNC") && !fstat(fd, &status) && S_ISDIR(status.st_mode)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}
