"""The version of the distribution, as a constant: reading package metadata costs 15 ms of start-up."""

__version__ = "0.2.0"
