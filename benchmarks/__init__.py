"""Measurements that anyone can run: `make benchmark`."""
