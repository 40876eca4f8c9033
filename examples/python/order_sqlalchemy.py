#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One order and its event, in one transaction of Postgres, by SQLAlchemy: order_sqlalchemy.py URL CUSTOMER AMOUNT

Needs SQLAlchemy 1.4 or later and psycopg2 (Debian: python3-sqlalchemy, python3-psycopg2).
"""
import json
import sys

from sqlalchemy import BigInteger, Column, DateTime, FetchedValue, ForeignKey, Text, create_engine
from sqlalchemy.orm import Session, declarative_base

Base = declarative_base()


class Customer(Base):
    __tablename__ = "customers"
    id = Column(BigInteger, primary_key=True)
    orders = Column(BigInteger, nullable=False)


class Order(Base):
    __tablename__ = "orders"
    id = Column(BigInteger, primary_key=True)
    customer = Column(ForeignKey(Customer.id), nullable=False)
    amount = Column(BigInteger, nullable=False)


class Event(Base):
    """The server fills in what has a FetchedValue. `headers` is text here: the type JSON would write None as JSON null."""

    __tablename__ = "outbox"
    id = Column(BigInteger, FetchedValue(), primary_key=True)
    event_id = Column(Text, FetchedValue())
    aggregatetype = Column(Text, nullable=False)
    aggregateid = Column(Text, nullable=False)
    type = Column(Text, nullable=False)
    payload = Column(Text)
    created_at = Column(DateTime(timezone=True), FetchedValue())


def take_order(session, customer_id, amount):
    # locks the customer until the end of the transaction: the customer's events keep their order
    customer = session.query(Customer).filter_by(id=customer_id).with_for_update().one()
    customer.orders += 1
    order = Order(customer=customer_id, amount=amount)
    session.add(order)
    session.flush()  # the order gets its id
    payload = json.dumps({"order": order.id, "amount": amount})
    session.add(Event(aggregatetype="order", aggregateid=str(customer_id), type="placed", payload=payload))
    session.flush()  # events of one flush may be inserted in another order than they were added


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    with Session(create_engine(sys.argv[1])) as session, session.begin():
        take_order(session, int(sys.argv[2]), int(sys.argv[3]))


if __name__ == "__main__":
    main()
