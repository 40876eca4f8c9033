/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/modules/gone.c - a library that nolibrary.c needs and a test removes */
__attribute__((visibility("default"))) int abi_gone(void);

int abi_gone(void)
{
    return 1;
}
