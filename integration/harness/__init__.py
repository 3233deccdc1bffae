"""What black-box tests need: a server under test, a client, and waiting with deadlines."""
