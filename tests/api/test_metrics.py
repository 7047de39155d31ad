"""`/metrics`: the counters in the Prometheus text format."""

from prometheus_client.parser import text_string_to_metric_families

from chat2response.observe.metrics import Metrics
from tests.support.management_client import Parts, client


def samples(text: str) -> dict[tuple[str, ...], float]:
    """The samples by name and labels, written `name=value` and sorted."""
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scrape(metrics: Metrics) -> dict[tuple[str, ...], float]:
    async with client(Parts.plain(metrics=metrics)) as http:
        answer = await http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return samples(answer.text)


async def test_everything_counted_is_there():
    metrics = Metrics()
    metrics.request("/proxy", 200, 0.003)
    metrics.request("/proxy", 200, 0.3)
    metrics.request("/proxy", 502, 400.0)
    metrics.call_ended("proxy", "chat", "completed")
    metrics.tokens({"input_tokens": 7, "output_tokens": 5})
    metrics.count_loss("messages[3].name")
    metrics.key_check("ok")
    metrics.in_flight = lambda: 2
    matches = await scrape(metrics)
    assert matches["chat2response_requests_total", "route=/proxy", "status=200"] == 2
    assert matches["chat2response_requests_total", "route=/proxy", "status=502"] == 1
    assert matches["chat2response_calls_total", "outcome=completed", "surface=proxy", "upstream=chat"] == 1
    assert matches["chat2response_tokens_total", "kind=input"] == 7
    assert matches["chat2response_tokens_total", "kind=output"] == 5
    assert matches["chat2response_losses_total", "field=messages[].name"] == 1
    assert matches["chat2response_key_checks_total", "result=ok"] == 1
    assert matches["chat2response_in_flight",] == 2
    seconds = "chat2response_request_duration_seconds"
    for bound, count in (("0.005", 1), ("0.25", 1), ("0.5", 2), ("300.0", 2), ("+Inf", 3)):
        assert matches[f"{seconds}_bucket", f"le={bound}", "route=/proxy"] == count
    assert matches[f"{seconds}_count", "route=/proxy"] == 3
    assert matches[f"{seconds}_sum", "route=/proxy"] == 400.303


async def test_nothing_counted_is_no_error():
    assert (await scrape(Metrics()))["chat2response_in_flight",] == 0


async def test_the_management_endpoints_count_themselves_by_a_bounded_set_of_routes():
    metrics = Metrics()
    async with client(Parts.plain(metrics=metrics)) as http:
        await http.get("/status")
        await http.head("/status")
        await http.post("/status")
        await http.post("/keys/generate", json={})
        for path in ("/a", "/b", "/keys/some-id"):
            await http.get(path)
    assert metrics.requests == {
        ("/status", 200): 2,
        ("/status", 405): 1,
        ("/keys/generate", 200): 1,
        ("other", 404): 3,
    }
