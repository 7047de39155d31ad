"""The registry of live runs: by key, by response, all; and a run that leaves while it is stopped."""

from chat2response.engine.live_runs import LiveRuns
from chat2response.wire.fault import DRAINING, REVOKED, Fault


class FakeRun:
    def __init__(self, runs: LiveRuns, tenant: str | None, response_id: str | None = None) -> None:
        self.tenant = tenant
        self.response_id = response_id
        self.stopped: list[Fault] = []
        self._runs = runs
        runs.add(self)

    def stop(self, fault: Fault) -> None:
        self.stopped.append(fault)
        self._runs.discard(self)


def test_runs_are_found_by_their_key_and_by_their_response() -> None:
    runs = LiveRuns()
    one, two, three = FakeRun(runs, "a", "resp_1"), FakeRun(runs, "a"), FakeRun(runs, "b", "resp_3")
    assert {*runs.of_key("a")} == {one, two}
    assert runs.of_key("c") == []
    assert runs.of_response("resp_3") == [three]
    assert runs.of_response("resp_2") == []
    assert len(runs) == 3


def test_a_run_that_has_no_response_yet_is_not_found_by_none() -> None:
    runs = LiveRuns()
    run = FakeRun(runs, None)
    assert runs.of_response("") == []
    run.response_id = "resp_late"
    assert runs.of_response("resp_late") == [run]


def test_what_is_over_is_gone_and_may_be_over_twice() -> None:
    runs = LiveRuns()
    run = FakeRun(runs, "a")
    runs.discard(run)
    runs.discard(run)
    assert (len(runs), runs.of_key("a"), list(runs)) == (0, [], [])


def test_all_are_stopped_even_though_each_leaves_when_it_is() -> None:
    runs = LiveRuns()
    every = [FakeRun(runs, str(number)) for number in range(5)]
    runs.stop_all(DRAINING)
    assert [run.stopped for run in every] == [[DRAINING]] * 5
    assert len(runs) == 0


def test_the_runs_of_one_key_are_stopped_while_others_go_on() -> None:
    runs = LiveRuns()
    gone, stays = FakeRun(runs, "a"), FakeRun(runs, "b")
    for run in runs.of_key("a"):
        run.stop(REVOKED)
    assert (gone.stopped, stays.stopped, list(runs)) == ([REVOKED], [], [stays])


def test_after_the_end_nothing_begins_any_more() -> None:
    runs = LiveRuns()
    running = FakeRun(runs, "a")
    runs.end(DRAINING)
    late = FakeRun(runs, "a")
    assert running.stopped == late.stopped == [DRAINING]
    assert len(runs) == 0


def test_a_key_is_ended_for_good() -> None:
    runs = LiveRuns()
    gone, stays, nobodys = FakeRun(runs, "a"), FakeRun(runs, "b"), FakeRun(runs, None)
    runs.end_key("a")
    late = FakeRun(runs, "a")
    assert (gone.stopped, late.stopped) == ([REVOKED], [REVOKED])
    assert {*runs} == {stays, nobodys}
    assert FakeRun(runs, "b").stopped == []


def test_only_so_many_ended_keys_are_remembered() -> None:
    runs = LiveRuns()
    for number in range(10_001):
        runs.end_key(str(number))
    assert FakeRun(runs, "0").stopped == []
    assert FakeRun(runs, "1").stopped == [REVOKED]
