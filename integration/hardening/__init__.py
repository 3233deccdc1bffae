"""The promises of docs/hardening.md that no other test holds: real processes, real sockets, real damage."""
