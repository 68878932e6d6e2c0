"""Attachments: a volume's way to a node, as the Block Storage API speaks of it."""
