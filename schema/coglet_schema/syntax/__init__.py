"""Our own model of Python source: files, expressions and definitions, independent of the parser."""
