/* SPDX-License-Identifier: Apache-2.0 */
/* tests/abi/modules/nosymbol.c - a shared object, but no plugin */
__attribute__((visibility("default"))) int not_a_plugin(void);

int not_a_plugin(void)
{
    return 1;
}
