"""Fuzzing: random hostile input to everything that listens; the server must survive it.

A round has a seed, which repeats what it sends: `PYCOGLET_FUZZ=SECONDS` is how long all surfaces together are
attacked, `PYCOGLET_FUZZ_FIRST` the first seed. An hour by hand:

    PYCOGLET_FUZZ=3600 PYCOGLET_FUZZ_FIRST=1000 pytest integration/fuzz -s --timeout 7200
"""
