/* SPDX-License-Identifier: Apache-2.0 */
/* core/config/limits.h - limits of a configuration; real ones are far smaller */
#ifndef OBX_CONFIG_LIMITS_H
#define OBX_CONFIG_LIMITS_H

#define OBX_CONFIG_MAX_SIZE 1048576
#define OBX_CONFIG_MAX_DEPTH 16
#define OBX_CONFIG_MAX_KEYS 1024 /* of one section */
#define OBX_SECRET_MAX_SIZE 65536

#endif
