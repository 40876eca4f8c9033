/* SPDX-License-Identifier: Apache-2.0 */
/* core/embed/check_transforms.h - the checks of a relay's transforms */
#ifndef OBX_EMBED_CHECK_TRANSFORMS_H
#define OBX_EMBED_CHECK_TRANSFORMS_H

#include "embed/check_relay.h"

/* Runs the own checks of each transform that has any. */
void obx_check_transforms(const struct obx_check_relay *request);

#endif
