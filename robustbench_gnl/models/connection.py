"""A quick test whether a server can be reached."""

from __future__ import annotations

import socket
import urllib.request
from urllib.parse import urlsplit

_CONNECT_SECONDS = 5.0


def can_connect(url: str) -> bool:
    """Whether the server of `url`, or the proxy to it, takes a connection."""
    server = urlsplit(url)
    proxy = urllib.request.getproxies().get(server.scheme)
    if proxy and server.hostname and not urllib.request.proxy_bypass(server.hostname):
        server = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    port = server.port or (80 if server.scheme == "http" else 443)
    try:
        socket.create_connection((server.hostname or "", port), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True
