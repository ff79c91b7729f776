"""What people look at in a browser: pages made on the server, that work without a script and without another server."""
