"""The Python of a model: its requirements, wheels of this pycoglet, interpreters, virtual environments."""
