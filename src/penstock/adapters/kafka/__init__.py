"""Kafka: the sink of events (`events`), the queue of requests (`queue`), and what both share."""
