"""`cog doctor`: finds problems in a model's folder and on this machine, and fixes some of them."""
