"""One prediction: its inputs, the request to a server, and the result."""
