"""One prediction: inputs, request to a server, and result."""
