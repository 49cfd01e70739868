"""The producers: one module a source, and what they share in `producing`."""
