/* core/service/apart.h - are the relays of one configuration apart from each other? */
#ifndef OBX_SERVICE_APART_H
#define OBX_SERVICE_APART_H

#include "service/app.h"

/* OUTBOX_OK; or CONFIG, with the place of the section, when two relays that the verb is for have the same store, or a
 * broker that takes one writer. What is wrong with a section in itself is left to those who make the relay. */
int obx_apart_check(const struct obx_app *app, struct outbox_error *error);

#endif
