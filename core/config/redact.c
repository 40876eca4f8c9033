/* SPDX-License-Identifier: Apache-2.0 */
/* core/config/redact.c - names of secrets, in any case */
#include "config/redact.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

bool obx_name_is_secret(const char *name)
{
    static const char *const parts[] = {"password", "passwd",     "passphrase", "secret",
                                        "token",    "credential", "jaas",       "oauthbearer.config"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcasestr(name, parts[i]))
            return true;
    size_t size = strlen(name);
    return size >= 4 && !strcasecmp(name + size - 4, ".pem");
}
