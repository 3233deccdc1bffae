"""The test harness of tests and benchmarks: servers, workers, web servers, clients; waits with deadlines."""
