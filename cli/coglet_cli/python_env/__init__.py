"""A model's Python: requirements, wheels of this pycoglet, interpreters, virtual environments."""
