/* SPDX-License-Identifier: Apache-2.0 */
/* plugins/cloudevents/cloudevents.h - attributes of one event, and the two modes */
#ifndef OBX_PLUGINS_CLOUDEVENTS_H
#define OBX_PLUGINS_CLOUDEVENTS_H

#include "transform.h"

enum { BINARY, STRUCTURED };
enum ce_template { SOURCE, TYPE, SUBJECT, DATASCHEMA };
enum ce_attribute {
    CE_SPECVERSION,
    CE_ID,
    CE_SOURCE,
    CE_TYPE,
    CE_SUBJECT,
    CE_TIME,
    CE_DATASCHEMA,
    CE_PARTITIONKEY,
    CE_COUNT
};

struct cloudevents {
    /* options */
    const char *source, *type, *subject, *dataschema, *content_type;
    int64_t mode, prefix;
};

struct attribute {
    const char *name, *binary_name; /* the second in JSON, where the value is no text and goes in base64 */
    struct outbox_bytes value;      /* data NULL: left out */
};
struct attributes {
    struct attribute list[CE_COUNT];
    char time[OUTBOX_TIME_SIZE];
};

/* structured.c: the value becomes a JSON object. OUTBOX_OK, or OUTBOX_E_NO_MEMORY. Any thread. */
int ce_make_structured(const struct cloudevents *self, const struct outbox_transform *transform,
                       const struct attributes *all);

#endif
