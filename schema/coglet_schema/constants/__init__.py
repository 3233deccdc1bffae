"""Values of constant expressions, found without running the source."""
