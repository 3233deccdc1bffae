"""`cog playground`: a page to try a model server with, and the little server behind it."""
