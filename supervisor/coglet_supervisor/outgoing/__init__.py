"""HTTP requests that the server makes."""
