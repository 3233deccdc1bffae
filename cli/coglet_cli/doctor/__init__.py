"""`cog doctor`: what is wrong with a model's folder and with this machine, and how to put it right."""
