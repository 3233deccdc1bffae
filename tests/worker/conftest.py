"""Settings of the property tests."""

from hypothesis import settings

# No deadline an example: the machine that runs the tests may be busy.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
