"""Real servers for the tests, on loopback, each stopped by its process id."""
