import os

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from dashboard.pool import check_is_open


def test_a_connection_that_the_server_closed_is_replaced_unseen() -> None:
    url = os.environ["DATABASE_URL"]
    with ConnectionPool(url, min_size=1, max_size=1, check=check_is_open) as pool:
        with pool.connection() as first:
            pid = first.info.backend_pid
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("select pg_terminate_backend(%s, 5000)", [pid])

        with pool.connection() as second:
            assert second.execute("select 1").fetchone() == (1,)
            assert second.info.backend_pid != pid


def test_an_open_connection_passes() -> None:
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        check_is_open(connection)
        assert connection.execute("select 1").fetchone() == (1,)
        check_is_open(connection)


def test_a_closed_one_does_not() -> None:
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as other:
            other.execute("select pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])

        with pytest.raises(psycopg.OperationalError):
            check_is_open(connection)
