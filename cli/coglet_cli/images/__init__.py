"""Building of images from a project folder: the plan, the build context and the steps."""
