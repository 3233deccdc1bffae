"""`python -m coglet_supervisor.probe`, the health check of images: does the server run predictions?

Ends with 0 if it does. A busy one does, although it refuses more of them for now: who replaces it ends
what it runs. It reads the variables of the container, not the server's flags.
"""

import http.client
import json
import os
import socket
import ssl
import sys

_TIMEOUT_S = 10.0
_SERVES = ("READY", "BUSY")


def main() -> str | None:
    """Return None if the server serves predictions, or what is wrong."""
    variables = os.environ
    address = ("127.0.0.1", int(variables.get("PORT", "5000")))
    if variables.get("COG_TLS_CA_CERTS"):  # it answers only clients that have a certificate
        socket.create_connection(address, _TIMEOUT_S).close()
        return None
    connection = http.client.HTTPConnection(*address, timeout=_TIMEOUT_S)
    if variables.get("COG_TLS_CERTFILE"):
        # The certificate is for the names that clients use, and the peer is this container.
        unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        unverified.check_hostname = False
        unverified.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(*address, timeout=_TIMEOUT_S, context=unverified)
    connection.request("GET", "/health-check")
    status = json.load(connection.getresponse())["status"]
    return None if status in _SERVES else f"the server is {status}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        sys.exit(f"the server does not respond: {error}")
