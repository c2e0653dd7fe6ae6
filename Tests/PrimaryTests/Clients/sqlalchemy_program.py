"""sqlalchemy-libsql 0.2.0: two tables, a relation, and the whole life of some rows.

Without blobs: the driver below it lacks the `Binary` that SQLAlchemy asks for.
"""

from sqlalchemy import ForeignKey, String, create_engine, func, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload

import sqlalchemy_libsql  # noqa: F401 (registers the dialect)

from judge import arguments, dump, expect, report

url, folder, token = arguments()
secure, address = url.startswith("https:"), url.split("://")[1]
engine = create_engine(
    "sqlite+libsql://%s/?secure=%s" % (address, "true" if secure else "false"), connect_args={"auth_token": token}
)


class Base(DeclarativeBase):
    pass


class Guest(Base):
    __tablename__ = "guest"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)
    note: Mapped[str | None]
    stays: Mapped[list["Stay"]] = relationship(back_populates="guest", cascade="all, delete-orphan")


class Stay(Base):
    __tablename__ = "stay"
    id: Mapped[int] = mapped_column(primary_key=True)
    guest_id: Mapped[int] = mapped_column(ForeignKey("guest.id"), index=True)
    nights: Mapped[int]
    price: Mapped[float]
    guest: Mapped[Guest] = relationship(back_populates="stays")


Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add_all(
        [
            Guest(name="Ñandú", note="bed 1", stays=[Stay(nights=1, price=12.5), Stay(nights=3, price=36.0)]),
            Guest(name="Otto", stays=[Stay(nights=2, price=25.0)]),
            Guest(name="Nobody"),
        ]
    )
    session.commit()
with Session(engine) as session:
    guests = session.scalars(select(Guest).options(selectinload(Guest.stays)).order_by(Guest.id)).all()
    expect("guests", [(g.name, g.note, len(g.stays)) for g in guests], [("Ñandú", "bed 1", 2), ("Otto", None, 1), ("Nobody", None, 0)])
    total = select(Guest.name, func.sum(Stay.nights), func.avg(Stay.price)).join(Stay).group_by(Guest.id)
    expect("sums", [tuple(row) for row in session.execute(total.order_by(Guest.name))], [("Otto", 2, 25.0), ("Ñandú", 4, 24.25)])
    guests[1].name = "Otto II"
    guests[0].stays.pop()
    session.delete(guests[2])
    session.commit()
with Session(engine) as session:
    expect("changed", session.scalars(select(Guest.name).order_by(Guest.id)).all(), ["Ñandú", "Otto II"])
    expect("orphan", session.scalar(select(func.count()).select_from(Stay)), 2)
    session.add(Guest(name="Otto II"))
    try:
        session.commit()
        raise SystemExit("constraint: expected an error")
    except (IntegrityError, DBAPIError, ValueError) as error:
        expect("constraint", "UNIQUE constraint failed: guest.name" in str(error), True)
        session.rollback()
    session.add(Guest(name="Lost"))
    session.flush()
    session.rollback()
    expect("rolled back", session.scalar(select(func.count()).select_from(Guest)), 2)
with engine.connect() as connection:
    seen = dump(lambda sql: connection.exec_driver_sql(sql).fetchall())
engine.dispose()
report("sqlalchemy-libsql", dump=seen)
