"""The page at /ui: its files and the events that keep it up to date. `cog playground` uses the same files."""
