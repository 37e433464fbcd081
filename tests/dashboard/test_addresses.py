import pytest

from dashboard import addresses


def test_a_socket_folder_is_a_host() -> None:
    settings = addresses.database("postgresql://floor@/house?host=%2Frun%2Fpg&sslmode=disable")

    assert settings["HOST"] == "/run/pg"
    assert settings["NAME"] == "house"
    assert settings["USER"] == "floor"
    assert settings["OPTIONS"] == {"sslmode": "disable"}


def test_escaped_letters_of_a_password_come_back() -> None:
    settings = addresses.database("postgres://floor:p%40ss%2Fword@db.example:6432/house")

    assert settings["PASSWORD"] == "p@ss/word"
    assert settings["PORT"] == "6432"


@pytest.mark.parametrize(
    "url", ["mysql://floor:hidden@db/house", "postgresql://floor:hidden@db/house?sslmod=off", ""]
)
def test_what_cannot_be_read_is_refused_without_showing_the_password(url: str) -> None:
    with pytest.raises(ValueError, match="DATABASE_URL") as refusal:
        addresses.database(url)

    assert "hidden" not in str(refusal.value)


@pytest.mark.parametrize(
    ("redis", "broker"),
    [
        ("redis://cache:6379/3", "redis://cache:6379/3"),
        ("rediss://user:word@cache:6380/0", "rediss://user:word@cache:6380/0"),
        ("unix:///run/valkey.sock?db=1", "redis+socket:///run/valkey.sock?virtual_host=1"),
        ("unix:///run/valkey.sock", "redis+socket:///run/valkey.sock?virtual_host=0"),
    ],
)
def test_celery_gets_the_same_redis(redis: str, broker: str) -> None:
    assert addresses.broker(redis) == broker
