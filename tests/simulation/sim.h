/*
 * tests/simulation/sim.h - a world of one database table, one topic, two relays, writers, and things that go wrong
 *
 * Everything runs on the virtual clock of the fake loop, in one thread, from one seed: the same seed is the same run.
 * store.c is a store over the table and broker.c a broker over the topic; both do what real ones do, delays, lost
 * answers and failures included. world.c holds the writers and the accidents and judges after every step.
 */
#ifndef OBX_SIMULATION_SIM_H
#define OBX_SIMULATION_SIM_H

#include "fake_loop.h"
#include "relay/relay.h"

#define SIM_ROWS 400u
#define SIM_KEYS 9u
#define SIM_RELAYS 2u
#define SIM_TRANSACTIONS 4u
#define SIM_WHY 256

struct sim_row {
    char id[40], key[16], payload[16];
    uint32_t key_number, sequence;
    bool visible;   /* its transaction committed */
    bool gone;      /* settled, or rolled back */
    bool dead;      /* parked */
    bool poison;    /* the broker can never take it */
    uint32_t times; /* published */
};

/* A transaction of a writer. It holds the locks of its keys until it ends. */
struct sim_transaction {
    struct obx_timer timer;
    struct sim *sim;
    uint32_t first, count; /* rows; 0: not open */
};

/* How likely an accident is, in thousandths of the occasions. */
struct sim_rates {
    uint32_t fail, drop_ack, hang, fence;                /* operations of the store */
    uint32_t start;                                      /* connecting, of both */
    uint32_t retry, unknown, not_connected, broker_lost; /* messages; publishes */
};

struct sim_node {
    struct obx_relay *relay;
    struct obx_config *config;
    struct sim *sim;
    bool running, stopped;
};

struct sim {
    struct fake_loop loop;
    uint64_t seed, random;
    struct obx_registry *registry;
    struct obx_log log;
    struct sim_rates rates;
    bool faulty; /* accidents happen now */
    bool in_order, park, verbose;
    bool refuses; /* the broker tells RETRY, not NOT_CONNECTED, of what comes behind a failed event of its key */

    struct sim_row rows[SIM_ROWS];
    uint32_t row_count, wanted;
    uint32_t sequences[SIM_KEYS], reached[SIM_KEYS];
    bool locked[SIM_KEYS], blocked[SIM_KEYS];
    struct sim_transaction transactions[SIM_TRANSACTIONS];
    uint64_t epoch; /* of ownership */
    const void *owner;

    struct sim_node nodes[SIM_RELAYS];
    struct obx_timer writer, accidents;
    uint64_t published, duplicates, fences, restarts;
    char why[SIM_WHY]; /* the first broken promise; "": none */
};

extern const struct outbox_plugin sim_store_plugin, sim_broker_plugin;

/* Run one seed to its end. False: sim->why says which promise was broken. */
bool sim_run(struct sim *sim, uint64_t seed, bool verbose);

/* ---- for the plugins ---- */
uint64_t sim_draw(struct sim *sim, uint64_t below);
bool sim_strikes(struct sim *sim, uint32_t thousandths); /* never outside of the faulty time */
void sim_broken(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An event becomes readable for consumers; judged at once. */
void sim_publish(struct sim *sim, struct sim_row *row);
struct sim_row *sim_row_of(struct sim *sim, const void *payload, size_t size);

#endif
