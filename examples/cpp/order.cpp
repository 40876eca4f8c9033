// SPDX-License-Identifier: Apache-2.0
// One order and its event, in one transaction of Postgres: order CONNINFO CUSTOMER AMOUNT
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>

#include <outbox/postgres.h>

namespace {

using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;

struct Closer {
    void operator()(PGconn *pg) const { PQfinish(pg); }
};
using Connection = std::unique_ptr<PGconn, Closer>;

std::string run(PGconn *pg, const std::string &sql)
{
    Result result(PQexec(pg, sql.c_str()), PQclear);
    ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        throw std::runtime_error(PQerrorMessage(pg));
    return PQntuples(result.get()) ? PQgetvalue(result.get(), 0, 0) : "";
}

// Rolls back unless commit() was called.
class Transaction {
  public:
    explicit Transaction(PGconn *pg) : pg_(pg) { run(pg_, "BEGIN"); }
    ~Transaction()
    {
        if (!committed_)
            PQclear(PQexec(pg_, "ROLLBACK"));
    }
    Transaction(const Transaction &) = delete;
    Transaction &operator=(const Transaction &) = delete;
    void commit()
    {
        run(pg_, "COMMIT");
        committed_ = true;
    }

  private:
    PGconn *pg_;
    bool committed_ = false;
};

outbox_bytes bytes(const std::string &text) { return {text.data(), text.size()}; }

void add_event(PGconn *pg, const std::string &customer, const std::string &payload)
{
    const std::string aggregate = "order", type = "placed";
    outbox_event event{};
    event.struct_size = sizeof event;
    event.aggregate_type = bytes(aggregate);
    event.aggregate_id = bytes(customer);
    event.type = bytes(type);
    event.payload = bytes(payload);
    outbox_error error{};
    if (outbox_pg_add(pg, nullptr, &event, nullptr, &error))
        throw std::runtime_error(error.text);
}

void take_order(PGconn *pg, long customer, long amount)
{
    const std::string id = std::to_string(customer), money = std::to_string(amount);
    Transaction transaction(pg);
    run(pg, "UPDATE customers SET orders = orders + 1 WHERE id = " + id); // locks the customer: see the page
    const std::string order = run(pg, "INSERT INTO orders (customer, amount) VALUES (" + id + ", " + money + ") RETURNING id");
    add_event(pg, id, "{\"order\":" + order + ",\"amount\":" + money + "}");
    transaction.commit();
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4) {
        std::cerr << "usage: order CONNINFO CUSTOMER AMOUNT\n";
        return 64;
    }
    try {
        Connection pg(PQconnectdb(argv[1]));
        if (PQstatus(pg.get()) != CONNECTION_OK)
            throw std::runtime_error(PQerrorMessage(pg.get()));
        take_order(pg.get(), std::stol(argv[2]), std::stol(argv[3]));
    } catch (const std::exception &failure) {
        std::cerr << "order: " << failure.what() << "\n";
        return 1;
    }
}
