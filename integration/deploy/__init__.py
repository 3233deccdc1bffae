"""The files in deploy/, with a real server and the programs that read them."""
