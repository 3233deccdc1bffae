"""The commands: flags and help texts. The implementation is imported when a command runs."""
