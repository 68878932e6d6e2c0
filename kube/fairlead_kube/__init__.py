"""What operator and facade share of Kubernetes: an async client, a typed store, a list+watch reflector."""
