"""Who asks at a path: other systems, which read JSON and bound what they send themselves, or people with a browser."""

_MACHINES = ("/v1/", "/v3/", "/hooks/", "/webhooks/", "/mailbox/", "/metrics")


def asked_by_machines(path: str) -> bool:
    return path.startswith(_MACHINES)
