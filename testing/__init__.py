"""What tests and benchmarks start and talk to: servers, workers, receivers of webhooks; waits with deadlines."""
