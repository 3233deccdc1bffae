"""`cog playground`: a web page to try a model server, and its HTTP server."""
