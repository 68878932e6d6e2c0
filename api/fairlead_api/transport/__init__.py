"""What stands between the network and the API: TLS, and limits on what one client may take."""
