"""Prometheus metrics. Labels are names of services, types and routes: never an id, never a person."""

from prometheus_client import Counter, Gauge, Histogram

HTTP_SECONDS = Histogram(
    "homeward_http_request_seconds", "Time to answer a request", ["service", "method", "route", "status"]
)
RELAY_PUBLISHED = Counter("homeward_relay_published_total", "Events published by the relay", ["service"])
RELAY_SEQUENCE = Gauge("homeward_relay_sequence", "Last sequence published", ["service"])
CONSUMED = Counter("homeward_consumed_total", "Events handled", ["service", "type"])
BATCH_SECONDS = Histogram("homeward_batch_seconds", "Time to handle one batch", ["service"])
DEAD_LETTERS = Counter("homeward_dead_letters_total", "Records set aside", ["service", "state"])
