// SPDX-License-Identifier: Apache-2.0
// One order and its event, in one transaction of Postgres: node order.js URI CUSTOMER AMOUNT
'use strict';
const { Client } = require('pg');

async function takeOrder(client, customer, amount) {
  // locks the customer until the end of the transaction: the customer's events keep their order
  await client.query('UPDATE customers SET orders = orders + 1 WHERE id = $1', [customer]);
  const { rows } = await client.query('INSERT INTO orders (customer, amount) VALUES ($1, $2) RETURNING id', [customer, amount]);
  const payload = { order: Number(rows[0].id), amount };
  // JSON.stringify: pg writes an array as an array of Postgres, {"1","2"}, and undefined as NULL, a tombstone
  await client.query('INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ($1, $2, $3, $4)',
    ['order', String(customer), 'placed', JSON.stringify(payload)]);
}

async function main([uri, customer, amount]) {
  const client = new Client({ connectionString: uri });
  await client.connect();
  try {
    await client.query('BEGIN');
    await takeOrder(client, Number(customer), Number(amount));
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    await client.end();
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`order: ${error.message}`);
  process.exitCode = 1;
});
