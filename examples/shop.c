/* SPDX-License-Identifier: Apache-2.0 */
/*
 * examples/shop.c - a shop that takes orders: the application side of the outbox
 *
 *     shop [--count N] [--rate N] [--rollback PERCENT] [--customers N] [--seed N] [--naive FILE] DATABASE LEDGER
 *
 * Every order is one transaction: a row in `orders`, and its event. Some transactions are rolled back, as in practice:
 * a card is declined, a constraint fails, two transactions deadlock.
 *
 * With the outbox the event is a row of the same transaction, added by outbox_sqlite_add(), outbox_pg_add() or
 * outbox_mysql_add(). There is a shop for each database; they differ in one file (shop.h). With --naive the application
 * publishes the event while it works on the order, by appending it to FILE. Like every client of a message broker it
 * sends from a buffer. That is the dual write; examples/verify.c counts its faults.
 *
 * The ledger gets a line for every transaction that ended: "committed ORDER" or "rolled-back ORDER". Orders of one
 * customer are numbered; a restarted shop continues from the database. It ends at N committed orders in all.
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shop.h"

struct shop {
    struct shop_db *db;
    FILE *naive; /* NULL: with the outbox */
    int ledger;
    long count, rate, rollback_percent, customers;
    unsigned long long random;
    long long *last; /* number of each customer's last order */
};

void die(const char *what, const char *why)
{
    fprintf(stderr, "shop: %s: %s\n", what, why);
    exit(1);
}

/* splitmix64: the same orders for the same seed */
static unsigned long long next_random(struct shop *shop)
{
    unsigned long long z = shop->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Orders of earlier runs, which may have been killed. */
struct past {
    struct shop *shop;
    long committed;
};

static void note_past(void *arg, long customer, long long last, long orders)
{
    struct past *past = arg;
    if (customer >= 0 && customer < past->shop->customers)
        past->shop->last[customer] = last;
    past->committed += orders;
}

/* ---- the event ---- */

static struct outbox_bytes text(const char *string)
{
    return (struct outbox_bytes){string, strlen(string)};
}

static void describe(const struct order *order, char *payload, size_t size)
{
    snprintf(payload, size, "{\"order\":\"%s\",\"customer\":\"%s\",\"number\":%lld,\"amount\":%ld.%02ld}", order->id,
             order->customer, order->number, order->amount / 100, order->amount % 100);
}

/* In the open transaction: the event commits or rolls back with the order. */
static void add_to_outbox(struct shop *shop, const struct order *order)
{
    char payload[256];
    describe(order, payload, sizeof payload);
    const struct outbox_event event = {.struct_size = sizeof event,
                                       .aggregate_type = text("order"),
                                       .aggregate_id = text(order->customer),
                                       .type = text("placed"),
                                       .payload = text(payload)};
    shop_db_add_event(shop->db, &event);
}

/* The dual write: publish here, inside the transaction. */
static void publish(struct shop *shop, const struct order *order)
{
    char payload[256];
    describe(order, payload, sizeof payload);
    fprintf(shop->naive,
            "{\"topic\":\"outbox.event.order\",\"key\":\"%s\",\"id\":\"%s\",\"type\":\"placed\",\"payload\":\"",
            order->customer, order->id);
    for (const char *c = payload; *c; c++) {
        if (*c == '"')
            fputc('\\', shop->naive);
        fputc(*c, shop->naive);
    }
    fputs("\"}\n", shop->naive);
}

/* ---- taking orders ---- */

static struct order make_order(struct shop *shop)
{
    struct order order;
    unsigned long long high = next_random(shop), low = next_random(shop);
    long customer = (long)(next_random(shop) % (unsigned long)shop->customers);
    snprintf(order.id, sizeof order.id, "%016llx%016llx", high, low);
    snprintf(order.customer, sizeof order.customer, "c%ld", customer);
    order.number = ++shop->last[customer];
    order.amount = (long)(next_random(shop) % 20000) + 100;
    return order;
}

static bool take_order(struct shop *shop)
{
    struct order order = make_order(shop);
    bool declined = (long)(next_random(shop) % 100) < shop->rollback_percent;
    char line[64];
    shop_db_begin(shop->db);
    shop_db_insert(shop->db, &order);
    if (shop->naive)
        publish(shop, &order);
    else
        add_to_outbox(shop, &order);
    shop_db_end(shop->db, !declined);
    int size = snprintf(line, sizeof line, "%s %s\n", declined ? "rolled-back" : "committed", order.id);
    if (write(shop->ledger, line, (size_t)size) != size)
        die("write the ledger", "it was cut short");
    return !declined;
}

static void keep_pace(const struct shop *shop, const struct timespec *began, long done)
{
    struct timespec due = *began;
    if (!shop->rate)
        return;
    due.tv_sec += done / shop->rate;
    due.tv_nsec += done % shop->rate * (1000000000L / shop->rate);
    due.tv_sec += due.tv_nsec / 1000000000L;
    due.tv_nsec %= 1000000000L;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

static void usage(void)
{
    fputs("usage: shop [--count N] [--rate N] [--rollback PERCENT] [--customers N] [--seed N] [--naive FILE] DATABASE "
          "LEDGER\n",
          stderr);
    exit(64);
}

static void read_options(struct shop *shop, int argc, char **argv)
{
    static const struct option options[] = {{"count", required_argument, NULL, 'n'},
                                            {"rate", required_argument, NULL, 'r'},
                                            {"rollback", required_argument, NULL, 'b'},
                                            {"customers", required_argument, NULL, 'k'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"naive", required_argument, NULL, 'x'},
                                            {0}};
    int found;
    while ((found = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (found) {
        case 'n':
            shop->count = atol(optarg);
            break;
        case 'r':
            shop->rate = atol(optarg);
            break;
        case 'b':
            shop->rollback_percent = atol(optarg);
            break;
        case 'k':
            shop->customers = atol(optarg);
            break;
        case 's':
            shop->random = strtoull(optarg, NULL, 10);
            break;
        case 'x':
            shop->naive = fopen(optarg, "a");
            break;
        default:
            usage();
        }
        if (found == 'x' && !shop->naive)
            die(optarg, "cannot be written");
    }
    if (argc - optind != 2 || shop->customers < 1)
        usage();
}

int main(int argc, char **argv)
{
    struct shop shop = {.count = 10000, .rollback_percent = 10, .customers = 50, .random = 1};
    struct timespec began;
    read_options(&shop, argc, argv);
    struct past past = {.shop = &shop};
    shop.db = shop_db_open(argv[optind]);
    shop.ledger = open(argv[optind + 1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    shop.last = calloc((size_t)shop.customers, sizeof *shop.last);
    if (shop.ledger < 0 || !shop.last)
        die(argv[optind + 1], "cannot be written");
    shop_db_past(shop.db, note_past, &past);
    clock_gettime(CLOCK_MONOTONIC, &began);
    if (past.committed) /* not the same orders as before the kill */
        shop.random += (unsigned long long)began.tv_nsec << 32;
    for (long taken = 1; past.committed < shop.count; taken++) {
        past.committed += take_order(&shop);
        keep_pace(&shop, &began, taken);
    }
    if (shop.naive && fclose(shop.naive))
        die("publish", "the last events could not be written");
    shop_db_close(shop.db);
    close(shop.ledger);
    free(shop.last);
    return 0;
}
