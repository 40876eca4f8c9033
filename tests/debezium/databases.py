# SPDX-License-Identifier: Apache-2.0
"""What differs between the databases of a migration: connections, tables, the connector, and how far it has read."""
import os
import subprocess

CUSTOMERS = "CREATE TABLE customers (id varchar(64) PRIMARY KEY, events bigint NOT NULL)"
# What the connectors of all databases have in common. The names are those of the documents.
CONNECTOR = {
    "tasks.max": "1",
    "topic.prefix": "shop",
    "tombstones.on.delete": "false",
    "snapshot.mode": "no_data",
    "transforms": "outbox",
    "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
    "database.hostname": "127.0.0.1",
    "database.user": "outbox",
    "database.password": "outbox",
}


class Postgres:
    document = "DEBEZIUM-POSTGRES.md"
    outbox = (
        "CREATE TABLE outbox (id uuid PRIMARY KEY, aggregatetype varchar(255) NOT NULL, aggregateid varchar(255) NOT NULL,"
        " type varchar(255) NOT NULL, payload text, created_at timestamptz NOT NULL DEFAULT now())"
    )
    old_rows = (
        "INSERT INTO outbox SELECT gen_random_uuid(), 'order', 'old' || n % 1000, 'placed', '{{}}', now() - interval '1 day'"
        " FROM generate_series(1, {}) n"
    )
    clean_up = "DELETE FROM outbox WHERE created_at BETWEEN now() - interval '1 hour' AND now() - interval '1 second'"

    def __init__(self, servers):
        self.servers, self.port = servers, servers.port

    def connect(self):
        import psycopg2

        return psycopg2.connect("host=127.0.0.1 port=%d user=outbox dbname=outbox" % self.port)

    def client(self, text):
        """The statements of a document, by the client program. Returns what it printed."""
        done = subprocess.run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port), "-U",
                               "outbox", "outbox"], input=text, capture_output=True, text=True)
        return done.returncode, done.stdout.strip(), done.stderr

    def store(self):
        return 'plugin: postgres, dsn: "host=127.0.0.1 port=%d user=outbox dbname=outbox"' % self.port

    def connector(self):
        return dict(CONNECTOR, **{
            "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
            "database.port": str(self.port),
            "database.dbname": "outbox",
            "plugin.name": "pgoutput",
            "slot.name": "debezium",
            "publication.name": "debezium",
            "publication.autocreate.mode": "filtered",
            "table.include.list": "public.outbox",
        })

    def has_read(self, place, step):
        return self.client(step("wait").replace("LSN", place))[1] == "t"


class MySQL:
    document = "DEBEZIUM-MYSQL.md"
    outbox = (
        "CREATE TABLE outbox (id CHAR(36) PRIMARY KEY, aggregatetype VARCHAR(255) NOT NULL, aggregateid VARCHAR(255) NOT NULL,"
        " type VARCHAR(255) NOT NULL, payload LONGTEXT, created_at TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6))"
    )
    old_rows = (
        "INSERT INTO outbox WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {}) "
        "SELECT UUID(), 'order', CONCAT('old', n % 1000), 'placed', '{{}}', NOW(6) - INTERVAL 1 DAY FROM r"
    )
    depth = "SET SESSION cte_max_recursion_depth = 100000000"
    clean_up = "DELETE FROM outbox WHERE created_at BETWEEN NOW(6) - INTERVAL 1 HOUR AND NOW(6) - INTERVAL 1 SECOND"
    class_ = "io.debezium.connector.mysql.MySqlConnector"
    position = "SHOW BINARY LOG STATUS"

    def __init__(self, servers):
        self.servers, self.port = servers, servers.port

    def connect(self):
        import pymysql

        return pymysql.connect(host="127.0.0.1", port=self.port, user="outbox", password="outbox", database="outbox")

    def client(self, text):
        service, text = self.servers.service, text.replace("SHOW MASTER STATUS", self.position)
        done = subprocess.run([service.script, "sql", service.directory, "-N", "-B"], input=text, capture_output=True, text=True)
        return done.returncode, done.stdout.strip(), done.stderr

    def store(self):
        return "plugin: mysql, host: 127.0.0.1, port: %d, user: outbox, password: outbox, database: outbox" % self.port

    def connector(self):
        return dict(CONNECTOR, **{
            "connector.class": self.class_,
            "database.port": str(self.port),
            "database.server.id": "5150",
            "database.include.list": "outbox",
            "table.include.list": "outbox.outbox",
            "schema.history.internal": "io.debezium.storage.file.history.FileSchemaHistory",
            "schema.history.internal.file.filename": os.path.join(self.servers.directory, "history"),
        })

    def has_read(self, place, _step):
        """place: what the server printed as its position; the connector's offset has the same form."""
        offsets = self.servers.rest("GET", "/connectors/shop/offsets")["offsets"]
        if not offsets:
            return False
        file, position = place.split()[:2]
        offset = offsets[0]["offset"]
        return (offset["file"], int(offset["pos"])) >= (file, int(position))


class MariaDB(MySQL):
    depth = "SET SESSION max_recursive_iterations = 100000000"
    class_ = "io.debezium.connector.mariadb.MariaDbConnector"
    position = "SHOW MASTER STATUS"


DATABASES = {"postgres": Postgres, "mysql": MySQL, "mariadb": MariaDB}
