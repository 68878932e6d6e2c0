"""The resources as mirrored from the API server, indexed the way requests ask for them."""
