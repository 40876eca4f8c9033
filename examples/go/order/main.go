// SPDX-License-Identifier: Apache-2.0

// One order and its event, in one transaction of Postgres: order CONNINFO CUSTOMER AMOUNT
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"

	"github.com/jackc/pgx/v5"
)

func takeOrder(ctx context.Context, tx pgx.Tx, customer, amount int64) error {
	// locks the customer until the end of the transaction: the customer's events keep their order
	if _, err := tx.Exec(ctx, "UPDATE customers SET orders = orders + 1 WHERE id = $1", customer); err != nil {
		return err
	}
	var order int64
	err := tx.QueryRow(ctx, "INSERT INTO orders (customer, amount) VALUES ($1, $2) RETURNING id", customer, amount).Scan(&order)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(map[string]int64{"order": order, "amount": amount})
	if err != nil {
		return err
	}
	// string(payload): a nil []byte would be NULL, which is published as a tombstone
	_, err = tx.Exec(ctx, "INSERT INTO outbox (aggregatetype, aggregateid, type, payload) VALUES ($1, $2, $3, $4)",
		"order", strconv.FormatInt(customer, 10), "placed", string(payload))
	return err
}

func run(conninfo, customer, amount string) error {
	ctx := context.Background()
	who, err := strconv.ParseInt(customer, 10, 64)
	if err != nil {
		return err
	}
	money, err := strconv.ParseInt(amount, 10, 64)
	if err != nil {
		return err
	}
	connection, err := pgx.Connect(ctx, conninfo)
	if err != nil {
		return err
	}
	defer connection.Close(ctx)
	return pgx.BeginFunc(ctx, connection, func(tx pgx.Tx) error { return takeOrder(ctx, tx, who, money) })
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: order CONNINFO CUSTOMER AMOUNT")
		os.Exit(64)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal("order: ", err)
	}
}
