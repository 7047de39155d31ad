"""The counters of one process. Counting is plain Python; prometheus-client renders them for `/metrics`.

Labels are few and bounded: surface, upstream, status, outcome, kind of token, lost field. Never a key, a
model or a prompt.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from chat2response.observe.loss_fields import MOST, first_name, label_of

if TYPE_CHECKING:
    from prometheus_client.core import Metric

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Histogram:
    """A histogram of durations in seconds."""

    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Adds a duration."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """The cumulative counts by upper bound, as Prometheus wants them."""
        total, rows = 0, []
        for bound, count in zip((*map(str, SECONDS), "+Inf"), self.counts, strict=True):
            total += count
            rows.append((bound, float(total)))
        return rows


class Metrics:
    """All counts since the start of the process."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()  # route, status
        self.durations: dict[str, Histogram] = {}
        self.calls: Counter[tuple[str, str, str]] = Counter()  # surface, upstream, outcome
        self.token_counts: Counter[str] = Counter()
        self.losses: Counter[str] = Counter()
        self.key_checks: Counter[str] = Counter()
        self.in_flight: Callable[[], int] = int
        self.stale_checks: Callable[[], int] = int

    def request(self, route: str, status: int, seconds: float) -> None:
        """Counts an answered request."""
        self.requests[route, status] += 1
        durations = self.durations.get(route)
        if durations is None:
            durations = self.durations[route] = Histogram()
        durations.observe(seconds)

    def call_ended(self, surface: str, upstream: str, outcome: str) -> None:
        """Counts a call by its outcome: completed, incomplete, failed, error (an HTTP status), or a fault's
        cause."""
        self.calls[surface, upstream, outcome] += 1

    def tokens(self, usage: Mapping[str, Any] | None) -> None:
        """Adds the usage that an upstream reports."""
        if usage is not None:
            self.token_counts["input"] += usage.get("input_tokens") or 0
            self.token_counts["output"] += usage.get("output_tokens") or 0

    def count_loss(self, field: str) -> None:
        """Counts a declared loss: known fields by name, all others as `other`."""
        label = label_of(field)
        if label not in self.losses and len(self.losses) >= MOST:
            label = first_name(label)
        self.losses[label] += 1

    def key_check(self, result: str) -> None:
        """Counts a key check: ok, refused, unavailable (the store did not answer)."""
        self.key_checks[result] += 1

    def render(self) -> tuple[bytes, str]:
        """The exposition text, and its content type."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

        registry = CollectorRegistry()
        registry.register(_Collector(self))
        return generate_latest(registry), CONTENT_TYPE_LATEST


class _Collector:
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator["Metric"]:
        from prometheus_client.core import GaugeMetricFamily

        metrics = self._metrics
        rows: Iterator[tuple[str, str, tuple[str, ...], Mapping[Any, int]]] = iter(
            (
                ("requests", "Requests answered.", ("route", "status"), metrics.requests),
                (
                    "calls",
                    "Calls to an upstream, by how they ended.",
                    ("surface", "upstream", "outcome"),
                    metrics.calls,
                ),
                ("tokens", "Tokens that upstreams reported.", ("kind",), metrics.token_counts),
                ("losses", "Losses declared, by field.", ("field",), metrics.losses),
                ("key_checks", "API keys checked.", ("result",), metrics.key_checks),
                (
                    "stale_key_checks",
                    "API keys accepted from the cache while the store was unavailable.",
                    (),
                    {(): count} if (count := metrics.stale_checks()) else {},
                ),
            )
        )
        for name, text, labels, counts in rows:
            yield _counter(name, text, labels, counts)
        yield _histogram(metrics.durations)
        yield GaugeMetricFamily("chat2response_in_flight", "Calls running now.", value=metrics.in_flight())


def _counter(name: str, text: str, labels: tuple[str, ...], counts: Mapping[Any, int]) -> "Metric":
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(f"chat2response_{name}", text, labels=labels)
    for key, count in counts.items():
        family.add_metric([str(part) for part in (key if isinstance(key, tuple) else (key,))], count)
    return family


def _histogram(durations: Mapping[str, Histogram]) -> "Metric":
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(
        "chat2response_request_duration_seconds",
        "From the head of the request to the last byte of the response.",
        labels=["route"],
    )
    for route, histogram in durations.items():
        family.add_metric([route], histogram.buckets(), histogram.sum)
    return family
