"""The steps from what happened to the partner's inbox: plain functions of (connection, plain values, now)."""
