"""The counters, and how `/metrics` shows them, read back by prometheus-client's parser."""

from collections.abc import Mapping

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from prometheus_client.parser import text_string_to_metric_families
from typing_extensions import is_typeddict

from chat2response.observe.loss_fields import _KNOWN, MOST, label_of
from chat2response.observe.metrics import SECONDS, Histogram, Metrics
from chat2response.wire import chat, responses

WORDS = sorted(_KNOWN)


def samples(metrics: Metrics) -> Mapping[tuple[str, tuple[str, ...]], float]:
    """The samples by name and label values, sorted by label name."""
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
    metrics.count_loss("seed")
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
        metrics.count_loss(f"messages[{number}].name")
    assert metrics.losses == {"messages[].name": 20}


def test_a_client_cannot_make_any_number_of_series_nor_push_real_ones_out() -> None:
    """All unknown names share one series."""
    metrics = Metrics()
    for number in range(1000):
        name = "field_" + "".join(chr(97 + int(digit)) for digit in str(number))
        for field in (name, f"messages[1].{name}", f"{name}.text", f"tools[{name}.x]"):
            metrics.count_loss(field)
    metrics.count_loss("messages[2].name")
    metrics.count_loss("seed")
    assert metrics.losses == {"other": 4000, "messages[].name": 1, "seed": 1}


def test_known_names_in_odd_places_are_counted_by_the_first_of_them() -> None:
    metrics = Metrics()
    for first in WORDS:
        for second in WORDS[:20]:
            metrics.count_loss(f"{first}[0].{second}")
    assert len(metrics.losses) <= MOST + len(WORDS)
    metrics.count_loss("messages[2].tool_calls[1].function.name")
    assert metrics.losses["messages"] >= 1
    assert metrics.losses["other"] == 0


@pytest.mark.parametrize(
    ("field", "label"),
    [
        ("messages[12].content[0].image_url.width", "messages[].content[].image_url.width"),
        ("message.tool_calls[custom]", "message.tool_calls[custom]"),
        ("message.tool_calls[whatever]", "message.tool_calls[?]"),
        ("output[?]", "output[?]"),
        ("input[3]", "input[]"),
        ("max_output_tokens", "max_output_tokens"),
        ("Seed", "other"),
        ("seed\n", "other"),
        ("", "other"),
        ("metadata.the_clients_own", "other"),
        ("a." * 50, "other"),
    ],
)
def test_labels_of_fields(field: str, label: str) -> None:
    assert label_of(field) == label


def test_every_field_that_we_know_the_shape_of_is_known() -> None:
    """Compares with the typed dicts of `wire/` and the requests of both APIs."""
    shapes = [shape for module in (chat, responses) for shape in vars(module).values() if is_typeddict(shape)]
    params = [CompletionCreateParamsNonStreaming, ResponseCreateParamsNonStreaming]
    names = {name for shape in [*shapes, *params] for name in shape.__annotations__}
    assert len(names) > 80
    assert {name for name in names if label_of(name) != name} == set()
