from __future__ import annotations

from bench.rows import ROWS, rounds_of, select


def names(*patterns: str, quick: bool = False) -> list[str]:
    return [row.name for row in select(list(patterns), quick=quick)]


def test_names_are_unique():
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_globs_select_rows_of_either_mode():
    assert names("relay-*-flood") == ["relay-chat-flood", "relay-responses-flood"]
    assert names("json-c1", "flood") == ["json-c1", "flood"]


def test_a_quick_run_is_a_part_of_the_full_one_but_a_named_row_always_runs():
    assert set(names(quick=True)) < set(names())
    assert "json-c64" not in names(quick=True)
    assert names("json-c64", quick=True) == ["json-c64"]


def test_both_relays_have_the_rows_of_the_bridge_that_concern_calls():
    by_mode = {
        mode: {row.base for row in ROWS if row.mode == mode and row.work and not row.work.key}
        for mode in ("bridge", "relay-chat", "relay-responses")
    }
    assert by_mode["bridge"] == by_mode["relay-chat"] == by_mode["relay-responses"]


def test_a_default_run_has_enough_rounds_for_95_percent_wherever_a_ratio_is_judged():
    for row in ROWS:
        if row.target.how != "value":
            assert rounds_of(row, quick=False, wanted=None) >= 6, row.name


def test_the_block_is_measured_only_where_it_can_serve_the_answer():
    for base in ("flood-arguments", "flood-reasoning"):
        bridge, *relays = [row for row in ROWS if row.base == base]
        assert bridge.contenders == ("direct", "proxy", "gateway")
        assert [row.contenders for row in relays] == [("direct", "proxy", "block", "gateway")] * 2


def test_a_server_is_warmed_up_with_the_deltas_of_the_row():
    by_name = {row.name: row.work.warm_up.model for row in ROWS if row.work}

    assert by_name["flood-reasoning"] == "reasoning-256"
    assert by_name["paced"] == "paced-256"


def test_a_default_run_takes_less_than_thirteen_minutes():
    seconds = sum(
        row.seconds * len(row.contenders) * rounds_of(row, quick=False, wanted=None) for row in ROWS
    )

    assert seconds < 780


def test_the_command_line_decides_on_rounds():
    assert rounds_of(ROWS[0], quick=True, wanted=4) == 4
