"""Kafka: the sink of events (`events`), and what all that talks to a broker shares (`connection`, `cloudevents`)."""
