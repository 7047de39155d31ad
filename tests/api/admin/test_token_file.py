"""The generated admin token, and which requests it admits."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from chat2response.api.admin.token_file import NAME, AdminTokenError, read_or_create
from chat2response.app import Gateway
from chat2response.compose import compose, ensure_admin_token
from chat2response.settings import Settings
from tests.support.management_client import ELSEWHERE, HERE, client_of, settings


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_it_is_made_once_and_then_read(tmp_path):
    first, second = read_or_create(tmp_path), read_or_create(tmp_path)
    assert (first.created, second.created) == (True, False)
    assert first.value == second.value
    assert first.path == tmp_path / NAME
    assert len(first.value) >= 64
    assert first.value not in repr(first)


def test_each_folder_has_its_own(tmp_path):
    assert read_or_create(tmp_path / "a").value != read_or_create(tmp_path / "b").value


def test_only_we_may_read_it(tmp_path):
    old = os.umask(0)
    try:
        result = read_or_create(tmp_path / "state")
    finally:
        os.umask(old)
    assert mode(result.path.parent) == 0o700
    assert mode(result.path) == 0o600
    assert names(result.path.parent) == [NAME]


def test_a_file_that_others_may_read_is_closed(tmp_path):
    result = read_or_create(tmp_path)
    result.path.chmod(0o644)
    assert read_or_create(tmp_path).value == result.value
    assert mode(result.path) == 0o600


def test_workers_that_start_together_agree(tmp_path):
    workers = 8
    together = Barrier(workers)

    def start(_: int) -> tuple[str, bool]:
        together.wait()
        token = read_or_create(tmp_path / "state")
        return token.value, token.created

    with ThreadPoolExecutor(workers) as pool:
        answers = list(pool.map(start, range(workers)))
    assert len({value for value, _ in answers}) == 1
    assert [created for _, created in answers].count(True) == 1
    assert names(tmp_path / "state") == [NAME]


def test_who_comes_second_takes_what_is_there(tmp_path, monkeypatch):
    """Another worker creates the file after this one has checked, and before it writes its own."""
    link, value = os.link, "admin_" + "5" * 64

    def late(draft: Path, path: Path) -> None:
        path.write_text(f"{value}\n")
        link(draft, path)

    monkeypatch.setattr(os, "link", late)
    token = read_or_create(tmp_path)
    assert (token.value, token.created) == (value, False)
    assert names(tmp_path) == [NAME]


def test_a_file_is_whole_before_it_has_its_name(tmp_path, monkeypatch):
    """A process that dies while writing leaves no partial token and does not block the next one."""

    def dies(draft: Path, path: Path) -> None:
        assert len(Path(draft).read_text().strip()) >= 64
        assert mode(Path(draft)) == 0o600
        assert not path.exists()
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(os, "link", dies)
        with pytest.raises(KeyboardInterrupt):
            read_or_create(tmp_path)
    assert names(tmp_path) == []
    (tmp_path / f".{NAME}.0123").write_text("half")
    assert read_or_create(tmp_path).created


def test_an_operator_may_write_it_by_hand(tmp_path):
    (tmp_path / NAME).write_text("  a-token-of-my-own-making \r\n")
    token = read_or_create(tmp_path)
    assert (token.value, token.created) == ("a-token-of-my-own-making", False)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"short", b"two tokens-in-one file", b"x" * 2000, b"\x00" * 40, b"\xff" * 40]
)
def test_a_broken_file_is_an_error_that_says_what_to_do(tmp_path, content):
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(AdminTokenError, match=r"Delete it.*CHAT2RESPONSE_ADMIN_TOKEN"):
        read_or_create(tmp_path)
    assert (tmp_path / NAME).read_bytes() == content


def test_a_folder_that_cannot_be_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AdminTokenError, match="CHAT2RESPONSE_STATE_DIR"):
        read_or_create(tmp_path / "file")
    (tmp_path / NAME).mkdir()
    with pytest.raises(AdminTokenError, match="CHAT2RESPONSE_ADMIN_TOKEN"):
        read_or_create(tmp_path)


def test_a_file_system_without_links_is_an_error_that_says_what_to_do(tmp_path, monkeypatch):
    def refuses(draft: Path, path: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuses)
    with pytest.raises(AdminTokenError, match="Operation not permitted"):
        read_or_create(tmp_path)
    assert names(tmp_path) == []


def demo(tmp_path: Path, host: str = "0.0.0.0", **more: str) -> Settings:
    return settings(
        chat2response_state_dir=tmp_path / "state", upstream_mode="demo", bind_addr=f"{host}:0", **more
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_on_loopback_none_is_made(tmp_path, host):
    assert ensure_admin_token(demo(tmp_path, host)) is None
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gateway.example"])
def test_on_another_address_one_is_made(tmp_path, host):
    result = ensure_admin_token(demo(tmp_path, host))
    assert result is not None
    assert result.created
    assert result.path == tmp_path / "state" / NAME


def test_the_admin_planes_own_address_decides_where_it_has_one(tmp_path):
    apart = {"chat2response_admin_bind_addr": "127.0.0.1:0"}
    assert ensure_admin_token(demo(tmp_path, "0.0.0.0", **apart)) is None
    apart = {"chat2response_admin_bind_addr": "0.0.0.0:0"}
    assert ensure_admin_token(demo(tmp_path, "127.0.0.1", **apart)) is not None


def test_an_operators_own_makes_ours_needless(tmp_path):
    assert ensure_admin_token(demo(tmp_path, chat2response_admin_token="the-token-of-mine")) is None
    assert not (tmp_path / "state").exists()


async def statuses(value: Settings, result: str | None, token: str | None) -> list[int]:
    """The statuses of `GET /keys` from this machine and from elsewhere, with this token, if any."""
    services = compose(value, store_url="memory", admin_token=result)
    await services.open()
    matches = []
    for peer in (HERE, ELSEWHERE):
        async with client_of(Gateway(services), peer) as http:
            answer = await http.get("/keys", headers={"x-admin-token": token} if token else {})
            matches.append(answer.status_code)
    await services.close()
    return matches


async def test_the_gateway_asks_strangers_for_the_token_that_was_made(tmp_path):
    result = ensure_admin_token(demo(tmp_path))
    assert result is not None
    assert await statuses(demo(tmp_path), result.value, None) == [200, 401]
    assert await statuses(demo(tmp_path), result.value, result.value) == [200, 200]


async def test_the_gateway_asks_everybody_for_the_token_that_was_set(tmp_path):
    value = demo(tmp_path, chat2response_admin_token=" set-by-the-operator ")
    assert await statuses(value, None, None) == [401, 401]
    assert await statuses(value, None, "set-by-the-operator") == [200, 200]
    assert await statuses(value, "another-that-was-made", "another-that-was-made") == [401, 401]


async def test_without_any_token_strangers_stay_out(tmp_path):
    assert await statuses(demo(tmp_path), None, None) == [200, 403]
