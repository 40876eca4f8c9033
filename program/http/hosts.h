/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/hosts.h - does a request name this server? */
#ifndef OBX_PROGRAM_HTTP_HOSTS_H
#define OBX_PROGRAM_HTTP_HOSTS_H

#include <stdbool.h>

/* header: the Host header; NULL: there is none. hosts: names that are accepted, separated by commas; may be NULL. */
bool obx_http_host_is_known(const char *header, const char *hosts);

#endif
