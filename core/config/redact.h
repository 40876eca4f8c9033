/* SPDX-License-Identifier: Apache-2.0 */
/* core/config/redact.h - which entries of a map that is passed through to a client library are secrets */
#ifndef OBX_CONFIG_REDACT_H
#define OBX_CONFIG_REDACT_H

#include <stdbool.h>

/* By the name: it contains password, passwd, passphrase, secret, token, credential or jaas, is sasl.oauthbearer.config
 * or ends with .pem. Too many rather than too few. */
bool obx_name_is_secret(const char *name);

#endif
