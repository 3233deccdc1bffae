"""The promises of docs/hardening.md that no other test covers, with real processes, sockets and faults."""
