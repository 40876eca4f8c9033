/* SPDX-License-Identifier: Apache-2.0 */
/* program/http/page.h - the page at /, which scripts/embed makes of page.html: read-only, it fetches /status */
#ifndef OBX_PROGRAM_HTTP_PAGE_H
#define OBX_PROGRAM_HTTP_PAGE_H

#include <stddef.h>

extern const unsigned char obx_http_page[];
extern const size_t obx_http_page_size;

#endif
