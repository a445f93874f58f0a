"""What starting processes needs: a free port, and the command line of another process of engage."""

import socket
import sys

from engage.domain.errors import InputError


def require_free_port(host: str, port: int) -> None:
    """Raises InputError if something listens there already."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(
                f"port {port} on {host} cannot be used: {error.strerror}", "set ENGAGE_PORT to another one"
            ) from None


def command(*arguments: str) -> list[str]:
    """The command line of another process of engage."""
    return [sys.executable, "-m", "engage", *arguments]
