"""From a project folder to an image: what is sent to the engine, and in which steps."""
