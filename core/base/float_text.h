/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core/base/float_text.h - a floating-point value as text: the shortest digits that read back the same
 *
 * The format is Postgres's: 0.1, 19.99, 100000, 1e+15, 1e-05; NaN, Infinity, -Infinity. It is independent of the locale
 * of the process.
 */
#ifndef OBX_BASE_FLOAT_TEXT_H
#define OBX_BASE_FLOAT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

enum { OBX_FLOAT_TEXT_SIZE = 40 };

/* single: the value is a float, which needs fewer digits to read back the same. Returns the length; ends with a NUL. */
size_t obx_float_text(double value, bool single, char text[OBX_FLOAT_TEXT_SIZE]);

#endif
