"""Measurements that hold engage to its promises: `bulk.py` (throughput), `latency.py` (and the cost of being idle)."""
