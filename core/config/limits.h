/* SPDX-License-Identifier: Apache-2.0 */
/* core/config/limits.h - limits of a configuration; real ones are far smaller */
#ifndef OBX_CONFIG_LIMITS_H
#define OBX_CONFIG_LIMITS_H

#define OBX_CONFIG_MAX_SIZE 1048576
#define OBX_CONFIG_MAX_DEPTH 16
#define OBX_CONFIG_MAX_KEYS 1024   /* of one section */
#define OBX_EACH_MAX_SIZE 16777216 /* of the text that `each` makes */
#define OBX_SECRET_MAX_SIZE 65536
#define OBX_EXPANDED_MAX_SIZE 1048576  /* of one value, with its references to the environment; */
#define OBX_EXPANDED_ALL_SIZE 67108864 /* and of all of a configuration, each time that they are read */

#endif
