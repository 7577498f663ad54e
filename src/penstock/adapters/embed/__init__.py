"""Embedding: chunks in, one vector each out."""
