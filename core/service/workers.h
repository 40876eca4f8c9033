/* core/service/workers.h - can this process have the threads that it will need? */
#ifndef OBX_SERVICE_WORKERS_H
#define OBX_SERVICE_WORKERS_H

#include <outbox/plugin.h>

/* OUTBOX_OK; NO_MEMORY where a limit on processes or on memory forbids it. */
int obx_workers_try(struct outbox_error *error);

#endif
