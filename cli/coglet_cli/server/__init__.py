"""A model server as its client sees it: the child process of local mode, and HTTP to any server."""
