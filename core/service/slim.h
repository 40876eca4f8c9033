/*
 * core/service/slim.h - memory that was needed for a while, and is not now, goes back to the kernel
 */
#ifndef OBX_SERVICE_SLIM_H
#define OBX_SERVICE_SLIM_H

/* Changes nothing but the resident set. Any thread; best a worker, in a program that has nothing to do. */
void obx_slim(void);

#endif
