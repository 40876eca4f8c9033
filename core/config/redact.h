/* SPDX-License-Identifier: Apache-2.0 */
/* core/config/redact.h - which options of client libraries are secrets, by their names */
#ifndef OBX_CONFIG_REDACT_H
#define OBX_CONFIG_REDACT_H

#include <stdbool.h>

/* True if the name contains password, passwd, passphrase, secret, token, credential, jaas or oauthbearer.config, or
 * ends with .pem, in any case. Some harmless options are included: redacting too much is safe. */
bool obx_name_is_secret(const char *name);

#endif
