// SPDX-License-Identifier: Apache-2.0
//! One order and its event, in one transaction of Postgres: order CONNINFO CUSTOMER AMOUNT

use std::error::Error;

use postgres::{Client, NoTls, Transaction};

fn take_order(transaction: &mut Transaction, customer: i64, amount: i64) -> Result<(), postgres::Error> {
    // locks the customer until the end of the transaction: the customer's events keep their order
    transaction.execute("UPDATE customers SET orders = orders + 1 WHERE id = $1", &[&customer])?;
    let row = transaction.query_one("INSERT INTO orders (customer, amount) VALUES ($1, $2) RETURNING id", &[&customer, &amount])?;
    let order: i64 = row.get(0);
    let payload = format!("{{\"order\":{order},\"amount\":{amount}}}");
    transaction.execute(
        "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ($1, $2, $3, $4)",
        &[&"order", &customer.to_string(), &"placed", &payload],
    )?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, conninfo, customer, amount] = arguments.as_slice() else {
        return Err("usage: order CONNINFO CUSTOMER AMOUNT".into());
    };
    let mut client = Client::connect(conninfo, NoTls)?;
    let mut transaction = client.transaction()?; // rolls back when it is dropped without a commit
    take_order(&mut transaction, customer.parse()?, amount.parse()?)?;
    transaction.commit()?;
    Ok(())
}
