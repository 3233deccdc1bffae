"""Records: what is kept of predictions beside and after their run."""
