"""What tests and benchmarks start and talk to: servers, workers, webhook receivers; waits with deadlines."""
