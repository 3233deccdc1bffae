"""The names that model code imports."""
