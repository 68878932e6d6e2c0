"""Volumes and their types, as the Block Storage API speaks of them."""
