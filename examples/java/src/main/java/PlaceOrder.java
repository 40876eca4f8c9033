// SPDX-License-Identifier: Apache-2.0
// One order and its event, in one transaction of Postgres, by Hibernate: java PlaceOrder JDBC-URL USER CUSTOMER AMOUNT

import jakarta.persistence.Entity;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.GenerationType;
import jakarta.persistence.Id;
import jakarta.persistence.LockModeType;
import jakarta.persistence.Table;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.cfg.Configuration;

public class PlaceOrder {
    @Entity @Table(name = "customers")
    public static class Customer {
        @Id long id;
        long orders;
    }

    @Entity @Table(name = "orders")
    public static class Order {
        @Id @GeneratedValue(strategy = GenerationType.IDENTITY) Long id;
        long customer;
        long amount;
    }

    /** IDENTITY lets the insert draw the id. AUTO and SEQUENCE draw ids earlier, in blocks: events would lose their order. */
    @Entity @Table(name = "outbox")
    public static class Event {
        @Id @GeneratedValue(strategy = GenerationType.IDENTITY) Long id;
        String aggregatetype;
        String aggregateid;
        String type;
        String payload;
    }

    static void takeOrder(Session session, long id, long amount) {
        // locks the customer until the end of the transaction: the customer's events keep their order
        Customer customer = session.find(Customer.class, id, LockModeType.PESSIMISTIC_WRITE);
        customer.orders++;
        Order order = new Order();
        order.customer = id;
        order.amount = amount;
        session.persist(order);
        Event event = new Event();
        event.aggregatetype = "order";
        event.aggregateid = Long.toString(id);
        event.type = "placed";
        event.payload = "{\"order\":" + order.id + ",\"amount\":" + amount + "}";
        session.persist(event);
    }

    public static void main(String[] args) {
        if (args.length != 4) {
            System.err.println("usage: PlaceOrder JDBC-URL USER CUSTOMER AMOUNT");
            System.exit(64);
        }
        Configuration configuration = new Configuration()
            .setProperty("hibernate.connection.url", args[0])
            .setProperty("hibernate.connection.username", args[1])
            .addAnnotatedClass(Customer.class).addAnnotatedClass(Order.class).addAnnotatedClass(Event.class);
        try (SessionFactory factory = configuration.buildSessionFactory()) {
            factory.inTransaction(session -> takeOrder(session, Long.parseLong(args[2]), Long.parseLong(args[3])));
        }
    }
}
