/* SPDX-License-Identifier: Apache-2.0 */
/* tests/oracle/base64.h - decoding of RFC 4648 base64 with padding */
#ifndef OBX_TESTS_ORACLE_BASE64_H
#define OBX_TESTS_ORACLE_BASE64_H

#include "base/buf.h"

bool oracle_base64(const char *text, size_t size, struct obx_buf *bytes); /* appends; false if it is not base64 */

#endif
