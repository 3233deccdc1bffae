"""Python source in our own words: files, expressions and definitions, whatever parser reads them."""
