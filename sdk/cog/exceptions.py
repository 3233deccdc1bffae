"""The place where the public documentation of cog has `CancelationException`."""

from coglet import CancelationException as CancelationException
