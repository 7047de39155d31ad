"""Counters, and how `/metrics` shows them; the text is read back by prometheus-client's own parser."""

from collections.abc import Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families

from chat2response.observe.metrics import SECONDS, Histogram, Metrics


def samples(metrics: Metrics) -> Mapping[tuple[str, tuple[str, ...]], float]:
    """Every sample by its name and the values of its labels, these in the order of the labels' names."""
    text, content_type = metrics.render()
    assert content_type.startswith("text/plain")
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_what_is_counted_is_shown() -> None:
    metrics = Metrics()
    metrics.request("/proxy", 200, 0.02)
    metrics.request("/proxy", 200, 0.3)
    metrics.request("/v1/responses", 429, 0.001)
    metrics.call_ended("proxy", "chat", "completed")
    metrics.tokens({"input_tokens": 3, "output_tokens": 2})
    metrics.tokens({"input_tokens": 1, "output_tokens": None})
    metrics.tokens(None)
    metrics.lost("seed")
    metrics.key_check("ok")
    metrics.in_flight = lambda: 7
    shown = samples(metrics)
    assert shown["chat2response_requests_total", ("/proxy", "200")] == 2
    assert shown["chat2response_requests_total", ("/v1/responses", "429")] == 1
    assert shown["chat2response_calls_total", ("completed", "proxy", "chat")] == 1
    assert shown["chat2response_tokens_total", ("input",)] == 4
    assert shown["chat2response_tokens_total", ("output",)] == 2
    assert shown["chat2response_losses_total", ("seed",)] == 1
    assert shown["chat2response_key_checks_total", ("ok",)] == 1
    assert shown["chat2response_in_flight", ()] == 7


def test_durations_are_a_histogram_per_route() -> None:
    metrics = Metrics()
    for seconds in (0.001, 0.02, 0.02, 1000.0):
        metrics.request("/proxy", 200, seconds)
    metrics.request("/livez", 200, 0.0)
    shown = samples(metrics)
    name = "chat2response_request_duration_seconds"
    assert shown[f"{name}_count", ("/proxy",)] == 4
    assert shown[f"{name}_sum", ("/proxy",)] == pytest.approx(1000.041)
    assert shown[f"{name}_bucket", ("0.005", "/proxy")] == 1
    assert shown[f"{name}_bucket", ("0.025", "/proxy")] == 3
    assert shown[f"{name}_bucket", ("300.0", "/proxy")] == 3
    assert shown[f"{name}_bucket", ("+Inf", "/proxy")] == 4
    assert shown[f"{name}_count", ("/livez",)] == 1


def test_a_bucket_includes_its_bound() -> None:
    histogram = Histogram()
    for bound in SECONDS:
        histogram.observe(bound)
    assert histogram.counts == [1] * len(SECONDS) + [0]
    assert [count for _, count in histogram.buckets()] == [*range(1, len(SECONDS) + 1), len(SECONDS)]


def test_nothing_counted_is_no_error() -> None:
    assert samples(Metrics()) == {("chat2response_in_flight", ()): 0}


def test_the_place_of_a_loss_does_not_make_another_series() -> None:
    metrics = Metrics()
    for number in range(20):
        metrics.lost(f"messages[{number}].name")
    assert metrics.losses == {"messages[].name": 20}


def test_a_client_cannot_make_any_number_of_series() -> None:
    metrics = Metrics()
    for number in range(1000):
        metrics.lost("field_" + "".join(chr(97 + int(digit)) for digit in str(number)))
    metrics.lost("field_a")
    assert len(metrics.losses) == 201
    assert metrics.losses["other"] == 800
    assert metrics.losses["field_a"] == 2


def test_labels_of_any_content_are_written_safely() -> None:
    metrics = Metrics()
    metrics.lost('odd"field\\with\nall of it')
    assert samples(metrics)["chat2response_losses_total", ('odd"field\\with\nall of it',)] == 1
