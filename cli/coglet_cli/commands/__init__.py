"""The commands: their flags and texts. What they do is imported when one of them runs."""
