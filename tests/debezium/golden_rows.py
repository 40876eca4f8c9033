# SPDX-License-Identifier: Apache-2.0
"""The golden table's rows, and for each converter the settings of Debezium's router and the route of outbox."""

COLUMNS = "id uuid, aggregatetype text, aggregateid text, type text, payload text, body bytea, tenant text, version integer, " \
    "urgent boolean, price numeric(10,2), made timestamp(3), part integer"

# name: values of the columns that differ from those of "plain"; None is null.
PLAIN = {"aggregatetype": "order", "aggregateid": "7", "type": "placed", "payload": '{"total": 12}', "body": "\\x00ff41",
         "tenant": "acme", "version": 3, "urgent": True, "price": "19.90", "made": "2024-02-29 12:34:56.789", "part": 5}
ROWS = {
    "plain": {},
    "unicode": {"aggregateid": "日本", "type": "café", "payload": '{"name": "😀"}', "tenant": "Ünal"},
    "quotes": {"aggregateid": 'a"b\\c', "type": "it's \"new\"", "payload": '{"q": "\\"\\\\"}', "tenant": 'x"y'},
    "controls": {"aggregateid": "tab\there", "payload": "line\nbreak \x01 \x7f", "tenant": "a\nb"},
    "null payload": {"payload": None, "body": None},
    "empty payload": {"payload": "", "body": "\\x"},
    "blank payload": {"payload": "  ", "body": "\\x2020"},
    "no JSON": {"payload": "hello", "body": "\\x68656c6c6f"},
    "number": {"payload": "42"},
    "array": {"payload": '[1, {"a": null}]'},
    "nested": {"payload": '{"b": {"c": [true, 1.50]}, "a": null}'},
    "compact": {"payload": '{"a":[1,2],"b":"x"}'},
    "upper case": {"aggregatetype": "Order.V2", "type": "Placed"},
    "empty key": {"aggregateid": ""},
    "long key": {"aggregateid": "k" * 255},
    "null columns": {"tenant": None, "version": None, "urgent": None, "price": None, "part": 0},
    "negative": {"version": -2147483648, "urgent": False, "price": "-0.05", "made": "1970-01-01 00:00:00", "part": 11},
}
FEW = ["plain", "unicode", "quotes", "null payload", "no JSON", "upper case"]

STRING = "org.apache.kafka.connect.storage.StringConverter"
JSON = "org.apache.kafka.connect.json.JsonConverter"
BINARY = "io.debezium.converters.BinaryDataConverter"


def router(**settings):
    return {"transforms.outbox." + name.replace("__", "."): value for name, value in settings.items()}


TEXT_SCHEMA = '{"schema":{"type":"string","optional":%s},"payload":%s}'

# debezium: settings of the connector; route: of outbox; rows: names, or all; differs: rows that cannot be expressed, and why.
CONVERTERS = {
    "StringConverter": {
        "debezium": {"key.converter": STRING, "value.converter": STRING},
        "route": {},
    },
    "BinaryDataConverter": {
        "debezium": dict({"key.converter": STRING, "value.converter": BINARY}, **router(table__field__event__payload="body")),
        "route": {"value": "${body}"},
        "rows": ["plain", "unicode", "null payload", "empty payload", "blank payload", "no JSON"],
    },
    "JsonConverter": {
        "debezium": {"key.converter": JSON, "key.converter.schemas.enable": "false", "value.converter": JSON,
                     "value.converter.schemas.enable": "false"},
        "route": {"key": "${json(aggregateid)}", "value": "${json(payload)}"},
    },
    "JsonConverter with schemas": {
        "debezium": {"key.converter": JSON, "value.converter": JSON},
        "route": {"key": TEXT_SCHEMA % ("true", "${json(aggregateid)}"), "value": TEXT_SCHEMA % ("true", "${json(payload)}")},
        "rows": FEW,
    },
    "JsonConverter, expanded": {
        "debezium": dict({"key.converter": STRING, "value.converter": JSON, "value.converter.schemas.enable": "false"},
                         **router(table__expand__json__payload="true")),
        "route": {},
        "rows": ["compact", "plain", "unicode", "quotes", "array", "nested"],
        "differs": dict({name: "Debezium writes the JSON again, without blanks" for name in ("plain", "unicode", "quotes")},
                        **{name: "Debezium cannot expand arrays of mixed types, and gives a string" for name in ("array", "nested")}),
    },
    "JsonConverter, envelope": {
        "debezium": dict({"key.converter": STRING, "value.converter": JSON, "value.converter.schemas.enable": "false"},
                         **router(table__fields__additional__placement="type:envelope:eventType,version:envelope")),
        "route": {"value": '{"payload":${json(payload)},"eventType":${json(type)},"version":${json(version)}}'},
        "rows": FEW + ["null columns"],
    },
    "tombstones": {
        "debezium": dict({"key.converter": STRING, "value.converter": STRING},
                         **router(route__tombstone__on__empty__payload="true")),
        "route": {"tombstone": "empty"},
        "rows": ["plain", "null payload", "empty payload", "blank payload"],
    },
    "headers": {
        "debezium": dict({"key.converter": STRING, "value.converter": STRING}, **router(
            table__fields__additional__placement="type:header:eventType,tenant:header,version:header,urgent:header")),
        "route": {"headers": {"id": "${event_id}", "eventType": "${type}", "tenant": "${tenant}", "version": "${version}",
                              "urgent": "${urgent}"}},
        "rows": ["plain", "unicode", "quotes", "null columns", "negative"],
        "differs": {"null columns": "a header whose column is null is left out"},
    },
    "topic by expression": {
        "debezium": dict({"key.converter": STRING, "value.converter": STRING}, **router(
            route__topic__regex="(?i)(?<routedByValue>[a-z]+).*")),
        "route": {"topic": "PREFIX${match(aggregatetype, '^([A-Za-z]+)')}"},
        "rows": ["plain", "upper case"],
    },
    "partition and time": {
        "debezium": dict({"key.converter": STRING, "value.converter": STRING}, **router(
            table__field__event__timestamp="made", table__fields__additional__placement="part:partition")),
        "route": {"partition": "${part}", "timestamp": "${made}"},
        "rows": ["plain", "unicode", "null columns", "negative"],
        "differs": {"negative": "librdkafka takes time 0 as no time: 1 ms after it is sent"},
        "time": True,
    },
}
