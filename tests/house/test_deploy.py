"""Compose and workflow files, read without Docker and without their services."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from chat2response.settings import Settings
from tests.support.house.source import ROOT

COMPOSE: Any = yaml.safe_load(ROOT.joinpath("compose.yaml").read_text())
WORKFLOWS = sorted(ROOT.joinpath(".github/workflows").glob("*.yml"))
ADMIN_PATHS = ("keys", "usage", "audit", "reload", "metrics")


def workflow(name: str) -> Any:
    return yaml.safe_load(ROOT.joinpath(f".github/workflows/{name}.yml").read_text())


def seconds(text: str) -> int:
    match = re.fullmatch(r"(\d+)s", text)
    assert match
    return int(match[1])


DECIDED = {
    "CHAT2RESPONSE_AUTH_MODE": "managed",
    "CHAT2RESPONSE_REDIS_URL": "redis://redis:6379/0",
    "CHAT2RESPONSE_DRAIN_SECONDS": "600",
}
"""By the compose file, which has a Redis and a time of its own for a stop."""
OF_THE_IMAGE = {"BIND_ADDR", "CHAT2RESPONSE_SQLITE_PATH", "CHAT2RESPONSE_STATE_DIR"}


def test_compose_passes_every_setting_that_it_does_not_decide():
    environment = COMPOSE["services"]["gateway"]["environment"]
    passed = {name: said for name, said in environment.items() if said == f"${{{name}:-}}"}
    assert {name: said for name, said in environment.items() if name not in passed} == DECIDED
    assert passed.keys() | DECIDED.keys() == {name.upper() for name in Settings.model_fields} - OF_THE_IMAGE


def test_compose_waits_for_redis_and_redis_forgets_nothing():
    gateway, redis = COMPOSE["services"]["gateway"], COMPOSE["services"]["redis"]
    assert gateway["depends_on"] == {"redis": {"condition": "service_healthy"}}
    assert "redis-cli" in redis["healthcheck"]["test"]
    assert "--appendonly yes --appendfsync always" in " ".join(redis["command"])
    assert {volume.partition(":")[0] for service in (gateway, redis) for volume in service["volumes"]} == set(
        COMPOSE["volumes"]
    )


def test_the_times_of_a_stop_nest():
    gateway = COMPOSE["services"]["gateway"]
    drain = int(gateway["environment"]["CHAT2RESPONSE_DRAIN_SECONDS"])
    assert seconds(gateway["stop_grace_period"].split()[0]) > drain + 5


UNITS = sorted(ROOT.joinpath("deploy/systemd").glob("*.service"))


def unit(path: Path) -> dict[str, list[str]]:
    """The values of each name, in order."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if line and line[0] not in "#[":
            name, separator, value = line.partition("=")
            assert separator, line
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_systemd_unit_starts_what_there_is_and_lets_it_drain(path: Path):
    told = unit(path)
    environment = dict(each.split("=", 1) for each in told["Environment"])
    assert environment.keys() <= {name.upper() for name in Settings.model_fields}
    assert environment["BIND_ADDR"] == "127.0.0.1:8088", "nobody else gets in before the operator says so"
    assert told["ExecStart"][0].endswith("/bin/chat2response")
    assert told["EnvironmentFile"][0].startswith("-"), "it may be missing"
    assert environment["CHAT2RESPONSE_SQLITE_PATH"].startswith(told["WorkingDirectory"][0])
    assert told["StateDirectoryMode"] == ["0700"]
    drain = Settings.model_fields["chat2response_drain_seconds"].default
    assert int(told["TimeoutStopSec"][0]) > drain + 5
    assert told["RestartPreventExitStatus"] == ["2"]


def test_there_is_a_unit_for_the_system_and_one_for_a_user():
    system, user = UNITS[1], UNITS[0]
    assert (system.stem, user.stem) == ("chat2response", "chat2response-user")
    assert unit(system)["WantedBy"] == ["multi-user.target"] and "DynamicUser" in unit(system)
    assert unit(user)["WantedBy"] == ["default.target"] and "%h/" in unit(user)["ExecStart"][0]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_step_of_a_workflow_does_one_thing(path: Path):
    jobs = yaml.safe_load(path.read_text())["jobs"]
    assert jobs
    for name, job in jobs.items():
        assert ("uses" in job) != ("steps" in job), name
        for need in [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", []):
            assert need in jobs
        for step in job.get("steps", ()):
            assert ("uses" in step) != ("run" in step), step
            assert "uses" not in step or re.fullmatch(r"[\w./-]+@[\w./]+", step["uses"])


def test_nothing_is_published_that_was_not_tested():
    jobs = workflow("publish")["jobs"]
    assert jobs["test"]["uses"] == "./.github/workflows/test.yml"
    assert all(job.get("needs") == "test" for name, job in jobs.items() if name != "test")
    assert any(step.get("run") == "bash .ci/run" for step in workflow("test")["jobs"]["ci"]["steps"])


def test_the_tags_of_the_image():
    steps = workflow("publish")["jobs"]["image"]["steps"]
    (meta,) = [step["with"] for step in steps if step.get("id") == "meta"]
    kinds = [line for line in meta["tags"].splitlines() if line]
    wanted = (
        "type=edge",
        "pattern=v{{version}}",
        "{{major}}.{{minor}}",
        "pattern={{major}}",
        "value=latest",
        "sha-",
    )
    assert all(any(word in line for line in kinds) for word in wanted)
    assert len(kinds) == len(wanted)


def test_the_image_has_the_targets_that_are_published():
    stages = re.findall(r"^FROM \S+ AS (\S+)$", ROOT.joinpath("Dockerfile").read_text(), re.MULTILINE)
    rows = workflow("publish")["jobs"]["image"]["strategy"]["matrix"]["include"]
    assert {row["target"] for row in rows} <= set(stages)
    assert (
        ROOT.joinpath("Dockerfile").read_text().rstrip().endswith("FROM gateway")
    )  # the slim one by default


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile", "traefik.yaml"])
def test_a_proxy_keeps_the_admin_plane_inside_and_streams_unbuffered(name: str):
    text = ROOT.joinpath("deploy", name).read_text()
    assert all(path in text for path in ADMIN_PATHS)
    assert re.search(r"proxy_buffering off|flush_interval -1|flushInterval: \"-1ms\"", text)
    if name.endswith(".yaml"):
        assert yaml.safe_load(text)["http"]["routers"]["admin"]["middlewares"] == ["inside"]
