"""Measurements that hold engage to its promises: `bulk.py` (throughput) and what it is measured against."""
