from __future__ import annotations

from dataclasses import replace

import pytest

from bench.judge import judge
from bench.measure import Sample
from bench.rows import ROWS, TARGETS, Row


def row(base: str) -> Row:
    return next(row for row in ROWS if row.name == base)


def samples(*values: float, failed: int = 0) -> list[Sample]:
    return [Sample(value, failed) for value in values]


BLOCK = samples(*[100.0] * 9)


def test_a_ratio_is_taken_within_each_round():
    noisy_machine = {"block": samples(100, 200, 400), "gateway": samples(110, 220, 440)}

    judged = judge(row("json-c16"), noisy_machine)

    assert judged.compared is not None
    assert judged.compared.low == judged.compared.high == pytest.approx(1.1)


def test_a_target_is_missed_when_the_lower_end_lies_above_it():
    judged = judge(row("json-c16"), {"block": BLOCK, "gateway": samples(*[112.0] * 9)})

    assert judged.verdict == "MISSED"


def test_a_median_above_the_target_is_noise_while_the_lower_end_is_not():
    gateway = samples(105, 105, 112, 112, 112, 112, 112, 112, 112)

    assert judge(row("json-c16"), {"block": BLOCK, "gateway": gateway}).verdict == "met, by noise"


def test_a_median_below_the_target_meets_it():
    assert judge(row("json-c16"), {"block": BLOCK, "gateway": samples(*[90.0] * 9)}).verdict == "met"


def test_one_failed_call_is_no_success_however_fast():
    judged = judge(row("json-c16"), {"block": BLOCK, "gateway": samples(*[1.0] * 9, failed=1)})

    assert judged.verdict == "FAILED: 9 calls"


def test_first_event_is_judged_by_what_it_adds_to_direct():
    direct, gateway = samples(*[0.10] * 9), samples(*[0.50] * 9)

    judged = judge(row("first-event"), {"direct": direct, "gateway": gateway})

    assert judged.compared is not None
    assert judged.compared.median == pytest.approx(0.40)
    assert judged.verdict == "met"


@pytest.mark.parametrize(("base", "verdict"), [("paced", "needs proxy"), ("open-1000", "met")])
def test_without_nginx_only_rows_that_refer_to_it_are_not_judged(base: str, verdict: str):
    assert judge(row(base), {"block": BLOCK, "gateway": samples(*[30.0] * 7)}).verdict == verdict


def test_a_gateway_that_did_not_start_is_not_run():
    assert judge(row("flood"), {"block": BLOCK, "gateway": []}).verdict == "not run"


def test_a_row_without_a_limit_is_compared_and_not_judged():
    judged = judge(row("burst"), {"block": BLOCK, "gateway": samples(*[300.0] * 9)})

    assert judged.compared is not None
    assert (judged.compared.median, judged.verdict) == (3.0, "")


def test_direct_has_no_figure_where_cpu_is_measured():
    direct = [replace(sample, value=None) for sample in BLOCK]

    assert judge(replace(row("first-event")), {"direct": direct, "gateway": BLOCK}).compared is None


def test_every_row_has_a_target_entry_and_every_target_a_row():
    assert {row.base for row in ROWS} == set(TARGETS)
