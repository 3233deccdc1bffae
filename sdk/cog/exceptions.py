"""`CancelationException`, at the import path of cog's public documentation."""

from coglet import CancelationException as CancelationException
