/* SPDX-License-Identifier: Apache-2.0 */
/* tests/oracle/base64.c - decodes base64; independent of the file broker's encoder, so that a bug in one cannot hide in
 * both */
#include "base64.h"

static int digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool oracle_base64(const char *text, size_t size, struct obx_buf *bytes)
{
    if (size % 4 != 0)
        return false;
    size_t padding = size && text[size - 1] == '=' ? 1u + (text[size - 2] == '=') : 0;
    unsigned bits = 0;
    for (size_t i = 0; i < size; i++) {
        int value = i >= size - padding ? 0 : digit(text[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (unsigned)value;
        if (i % 4 != 3)
            continue;
        size_t whole = i == size - 1 ? 3 - padding : 3;
        for (size_t b = 0; b < whole; b++)
            obx_buf_putc(bytes, (char)(bits >> (16 - 8 * b) & 0xff));
        bits = 0;
    }
    return !obx_buf_failed(bytes);
}
