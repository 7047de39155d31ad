"""Redis addresses: which are valid, how they are shown, and that no password is shown."""

from pathlib import Path

import pytest

from chat2response.stores import open_store, shown_address
from chat2response.stores.redis import address as redis_address
from chat2response.stores.redis.store import RedisStore


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://h", "redis://h"),
        ("redis://h:6380/2", "redis://h:6380/2"),
        ("redis://:hunter2@h/0", "redis://h/0"),
        ("redis://me:hunter%402@[::1]:1/", "redis://[::1]:1/"),
        ("redis://h?db=3", "redis://h"),
        ("rediss://:hunter2@h?ssl_ca_certs=ca.pem&db=1", "rediss://h"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("redis+cluster://me:hunter2@a:1,[::1]:2,c", "redis+cluster://a:1,[::1]:2,c"),
        ("rediss+cluster://a?ssl_ca_certs=ca.pem", "rediss+cluster://a"),
        (
            "redis+sentinel://:hunter2@a,b:2/main?db=1&sentinel_password=hunter2",
            "redis+sentinel://a,b:2/main",
        ),
        ("rediss+sentinel://a/my-master?ssl_cert_reqs=none", "rediss+sentinel://a/my-master"),
        ("unix://me:hunter2@/run/redis.sock?db=3", "unix:///run/redis.sock"),
        ("unix:///run/redis.sock?password=hunter2", "unix:///run/redis.sock"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert isinstance(open_store(url), RedisStore)
    assert shown_address(url) == shown


@pytest.mark.parametrize("address", ["memory", "sqlite:/x/a?b@c#d"])
def test_other_addresses_are_shown_as_they_are(address: str) -> None:
    assert shown_address(address) == address


@pytest.mark.parametrize("path", ["a/k.db", "./a/k.db", "b/../a/k.db"])
def test_of_a_file_the_absolute_path_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown_address(f"sqlite:{path}") == f"sqlite:{tmp_path}/a/k.db"


@pytest.mark.parametrize(
    "url",
    [
        "redis:",
        "redis://",
        "redis:///0",
        "redis:h:6379",
        "redis://:hunter2@",
        "redis://:hunter2/@h",  # in each of these a part of the password is parsed as something else
        "redis://:1/hunter2@h",
        "redis://:hunter2#@h",
        "redis://:hunter2?@h",
        "redis://:hunter2@2@h",
        "redis://:hunter2@h:no-port",
        "redis://:hunter2@h:0",
        "redis://:hunter2@h:99999",
        "redis://:hunter2@h/no-database",
        "redis://:hunter2@h?db=x",
        "redis://:hunter2@h?db",
        "redis://:hunter2@[h",
        "unix://",
        "unix:///",
        "unix://run/redis.sock",
        "unix:///run/redis.sock?password=hunter2@x",
        "redis://h?hunter2=1",
        "redis://h?socket_timeout=1000",
        "unix:///run/redis.sock?ssl_ca_certs=x",
        "redis://a,b",
        "redis+cluster://",
        "redis+cluster://a,,b",
        "redis+cluster://a:0,b",
        "redis+cluster://a/1",
        "redis+cluster://a?db=1",
        "redis+sentinel://a",
        "redis+sentinel://a/",
        "redis+sentinel://a/main/1",
        "redis+sentinel://:hunter2/@a/main",
        "redis+sentinel://a/main?sentinel_db=1",
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(
        ValueError, match=r"a Redis address has the form (redis(\+cluster|\+sentinel)?|unix)://"
    ) as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_only_three_schemes_are_a_redis() -> None:
    with pytest.raises(ValueError, match="a Redis address is a URL"):
        redis_address.check("memory")


def test_servers_of_a_cluster_and_of_sentinels_have_ports_of_their_own() -> None:
    assert redis_address.nodes("redis+cluster://:pw@a,[::1]:2") == [("a", 6379), ("::1", 2)]
    assert redis_address.nodes("rediss+sentinel://a,b:2/main") == [("a", 26379), ("b", 2)]
    assert redis_address.master("redis+sentinel://a/main") == "main"


def test_one_server_of_them_is_reached_with_the_same_login_and_tls() -> None:
    url = "rediss+sentinel://me:p%40w@a,b/main?ssl_ca_certs=ca&sentinel_password=x&db=2"
    assert redis_address.single(url, "b:7") == "rediss://me:p%40w@b:7?ssl_ca_certs=ca&db=2"
    assert redis_address.single("redis+cluster://a,b", "b:7") == "redis://b:7"
