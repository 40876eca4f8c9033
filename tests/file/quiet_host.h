/* tests/file/quiet_host.h - the part of a host that the file's own layers need: memory, and a log to look at */
#ifndef OBX_TESTS_FILE_QUIET_HOST_H
#define OBX_TESTS_FILE_QUIET_HOST_H

#include <outbox/plugin.h>

extern const struct outbox_host quiet_host;
const char *quiet_log(void); /* the last line that was logged; "" none */
void quiet_forget(void);

#endif
