"""The version of the distribution, written down: reading package metadata costs 15 ms of start-up."""

__version__ = "0.1.0"
