"""HTTP requests that the supervisor sends: the client and its connections."""
