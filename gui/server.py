"""The server of the control page."""

import logging
import os
import socket
import threading
from typing import Any

from remi import server as remi

from gui.handler import AuthenticatedHandler
from gui.page import Page
from stream.connections import Connections
from stream.context import LoginContext
from stream.tls import handshake

log = logging.getLogger("play_bach")

TITLE = "Play Bach"
UPDATE = 0.25  # seconds between two pieces of news for a page


class PageServer(remi.ThreadedHTTPServer):
    """The server of the control page. Raises OSError if its port cannot be had."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = os.name == "posix"  # elsewhere it would share a port with others
    request_queue_size = 64
    handler: type[AuthenticatedHandler] = Page  # what answers requests

    def __init__(self, context: LoginContext) -> None:
        self.context = context
        self.connections = Connections(context.server.max_per_address, context.server.proxies)
        self.most_sessions = context.server.max_pages
        self._places = threading.BoundedSemaphore(self.most_sessions + 64)
        address = (context.server.host, context.server.remi_port)
        self.address_family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        super().__init__(
            address,
            self.handler,
            None,
            True,
            False,
            UPDATE,
            1000,
            100,
            TITLE,
            self,
            None,
            None,
            None,
        )

    def server_bind(self) -> None:
        """Bind the port; '::' is for IPv4 as well."""
        if self.address_family == socket.AF_INET6 and self.server_address[0] == "::":
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()

    def get_request(self) -> tuple[Any, Any]:
        """Accept a connection; the handshake of TLS is for its own thread."""
        request, client_address = super().get_request()
        if self.context.certificate is not None:
            request.settimeout(self.handler.timeout)
            request = self.context.certificate.wrap(request)
        return request, client_address

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for each connection, but not for any number of them."""
        if not self.connections.opened(client_address[0]):
            self.shutdown_request(request)
        elif self._places.acquire(blocking=False):
            self.connections.reading(request)
            super().process_request(request, client_address)
        else:
            self.connections.closed(client_address[0])
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Free the place when the connection ends."""
        try:
            if handshake(request):
                super().process_request_thread(request, client_address)
            else:
                self.shutdown_request(request)
        finally:
            self.connections.read(request)
            self.connections.closed(client_address[0])
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that vanish are no news."""
        log.debug("a page's connection failed", exc_info=True)

    def end(self) -> None:
        """Stop, and close all pages."""
        self.connections.close()
        self.shutdown()
        self.server_close()
        for page in list(remi.clients.values()):
            page.end_session()
