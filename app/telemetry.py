"""Structured logs, metrics and stage timers. No user ids in labels, no texts anywhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

from app.redaction import Redact

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 2.5, 5, 10)
Child = TypeVar("Child")
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """Every metric of the process, made once by the factory."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self._count_answers(self.registry)
        self._count_people(self.registry)
        self._watch_stores(self.registry)
        self._watch_batches(self.registry)
        self._watch_load(self.registry)

    def _count_answers(self, r: CollectorRegistry) -> None:
        """Requests, and how their answers came about."""
        self.requests = Counter(
            "kindred_requests", "HTTP requests", ["route", "method", "status"], registry=r
        )
        self.request_seconds = Histogram(
            "kindred_request_seconds", "HTTP latency", ["route"], buckets=_BUCKETS, registry=r
        )
        self.stage_seconds = Histogram(
            "kindred_stage_seconds", "Pipeline stage", ["stage"], buckets=_BUCKETS, registry=r
        )
        self.stages = Children(self.stage_seconds.labels)
        self.late = Counter("kindred_late", "Stages past their deadline", ["stage"], registry=r)
        self.replies = Counter(
            "kindred_replies", "Replies shown", ["source", "degraded"], registry=r
        )
        self.filtered = Counter("kindred_filtered", "Candidates left out", ["reason"], registry=r)
        self.failures = Counter("kindred_failures", "Failures survived", ["where"], registry=r)

    def _count_people(self, r: CollectorRegistry) -> None:
        """What people do, and what they speak of; nobody is named."""
        self.reactions = Counter(
            "kindred_reactions", "Reaction events", ["reaction", "action"], registry=r
        )
        self.screened = Counter(
            "kindred_screened", "What messages speak of", ["category", "by"], registry=r
        )
        self.safety_events = Counter(
            "kindred_safety_events", "Crisis referrals, disclosures, breaks", ["event"], registry=r
        )
        self.security = Counter(
            "kindred_security", "What only an attacker or a mistake does", ["kind"], registry=r
        )

    def _watch_stores(self, r: CollectorRegistry) -> None:
        """The stores ("data" and, where the keys have a Redis of their own, "keys"), the spool."""
        self.store_unavailable = Counter(
            "kindred_store_unavailable",
            "Store calls without an answer",
            ["store", "kind"],
            registry=r,
        )
        self.breaker_open = _gauge(
            "kindred_store_breaker_open", "Processes that do not ask this store", ["store"], r
        )
        self.breaker_opened = Counter(
            "kindred_store_breaker_opened", "Times a process stopped asking", ["store"], registry=r
        )
        self.spool_entries = _gauge("kindred_spool_entries", "Promises not in Redis yet", [], r)
        self.spool_bytes = _gauge("kindred_spool_bytes", "Bytes of the spool's files", [], r)
        self.spool_oldest_seconds = Gauge(
            "kindred_spool_oldest_seconds",
            "Age of the oldest promise that is not in Redis yet",
            registry=r,
            multiprocess_mode="livemax",
        )
        self.erasures_unfinished = _gauge(
            "kindred_erasures_unfinished", "People erased, but for their data in Redis", [], r
        )
        self.spool_outcomes = Counter(
            "kindred_spool", "What became of promises", ["outcome"], registry=r
        )

    def _watch_batches(self, r: CollectorRegistry) -> None:
        """The models' batches, the queues before them, the results that are kept."""
        self.batch_items = Histogram(
            "kindred_batch_items", "Items in a batch", ["model"], buckets=_SIZES, registry=r
        )
        self.batch_seconds = Histogram(
            "kindred_batch_seconds", "Time of a batch", ["model"], buckets=_BUCKETS, registry=r
        )
        self.batch_padding_ratio = Histogram(
            "kindred_batch_padding_ratio",
            "Share of a batch's tokens that is padding",
            ["model"],
            buckets=(0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7),
            registry=r,
        )
        self.queued = _gauge("kindred_queued_items", "Items waiting", ["model"], r)
        self.queue_seconds = Histogram(
            "kindred_queue_seconds", "Wait before a batch", ["model"], buckets=_BUCKETS, registry=r
        )
        self.dropped = Counter("kindred_dropped", "Items dropped", ["model", "reason"], registry=r)
        self.cache_lookups = Counter(
            "kindred_cache_lookups", "Results looked up", ["cache", "outcome"], registry=r
        )
        self.cache_evictions = Counter(
            "kindred_cache_evictions", "Results that had to leave", ["cache"], registry=r
        )
        self.cache_bytes = _gauge("kindred_cache_bytes", "Bytes of what is kept", ["cache"], r)

    def _watch_load(self, r: CollectorRegistry) -> None:
        """How much there is to do, and what load control makes of it."""
        self.in_flight = _gauge("kindred_in_flight_requests", "Chat requests in progress", [], r)
        self.candidates = _gauge("kindred_candidates", "Generated candidates a request (N)", [], r)
        # Buckets of one where N usually is: their counts are how many replies had which N.
        self.reply_candidates = Histogram(
            "kindred_reply_candidates",
            "Generated candidates a reply was chosen among; 0 where a stage was late",
            buckets=(*range(11), 12, 16, 24, 32),
            registry=r,
        )
        # 0 where none is loaded; of several processes, the one that waits longest.
        self.swap_load_seconds = Gauge(
            "kindred_swap_load_seconds",
            "Seconds that a version of a model has been loading while the process serves",
            registry=r,
            multiprocess_mode="livemax",
        )
        self.hub_gap_seconds = Histogram(
            "kindred_hub_gap_seconds", "How late the event loop woke", buckets=_BUCKETS, registry=r
        )


def _gauge(name: str, doc: str, labels: list[str], registry: CollectorRegistry) -> Gauge:
    return Gauge(name, doc, labels, registry=registry, multiprocess_mode="livesum")


def exposition_registry(metrics: Metrics, multiprocess_dir: str | None) -> CollectorRegistry:
    """The registry to expose: of all workers where they share a folder, else of this process."""
    if not multiprocess_dir:
        return metrics.registry
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=multiprocess_dir)  # type: ignore[no-untyped-call]
    return registry


class Children(dict[tuple[str, ...], Child]):
    """A metric's children by their label values: found by a look-up, made once.

    `labels` of prometheus_client checks and converts its values, under a lock, at every call.
    """

    def __init__(self, labels: Callable[..., Child]) -> None:
        super().__init__()
        self._labels = labels

    def __missing__(self, values: tuple[str, ...]) -> Child:
        child = self[values] = self._labels(*values)
        return child


class StageTimer:
    """Measures the named stages of one request, in milliseconds."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._times: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a `with` block under this name; it counts also when the block raises."""
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            self._times[name] = self._times.get(name, 0.0) + seconds * 1000
            self._metrics.stages[name,].observe(seconds)

    @property
    def times_ms(self) -> Mapping[str, float]:
        """What was measured so far, by stage."""
        return {name: round(ms, 3) for name, ms in self._times.items()}


def configure_logging(level: str) -> None:
    """JSON lines on stderr; called once by the factory."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            Redact(),  # the last line: no text gets behind it
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines carry `room=name`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(room=name)
    return logger
