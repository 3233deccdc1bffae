"""The store of records in an SQLite file, which survives the server."""
