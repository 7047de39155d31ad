from __future__ import annotations

import random

import pytest

from bench.stats import median_interval


def test_the_interval_of_nine_values_leaves_out_one_at_each_end():
    interval = median_interval([9, 1, 8, 2, 7, 3, 6, 4, 5])

    assert (interval.low, interval.median, interval.high) == (2, 5, 8)
    assert interval.coverage == pytest.approx(1 - 2 * 10 / 2**9)


@pytest.mark.parametrize("n", [6, 7, 8])
def test_six_values_are_the_fewest_that_reach_95_percent(n: int):
    interval = median_interval(range(n))

    assert (interval.low, interval.high) == (0, n - 1)
    assert interval.coverage >= 0.95


def test_fewer_values_give_their_whole_range_and_say_what_it_is_worth():
    interval = median_interval([3.0, 1.0, 2.0])

    assert (interval.low, interval.median, interval.high) == (1.0, 2.0, 3.0)
    assert interval.coverage == pytest.approx(0.75)


def test_one_value_is_worth_nothing_as_an_interval():
    assert median_interval([4.0]).coverage == 0


def test_no_values_are_an_error():
    with pytest.raises(ValueError, match="at least one"):
        median_interval([])


def test_intervals_hold_the_true_median_as_often_as_they_say():
    chance = random.Random(7)
    enclosed = 0
    for _ in range(400):
        interval = median_interval([chance.expovariate(1.0) for _ in range(12)])
        enclosed += interval.low <= 0.6931 <= interval.high
    assert 0.93 <= enclosed / 400 <= 1.0
