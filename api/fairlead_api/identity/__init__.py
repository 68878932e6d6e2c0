"""Who asks, and which namespace is their project."""
