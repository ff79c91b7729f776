"""What can be asked of a server: modules and functions called as in `lastseen.manage`, with a `Remote` in the office's
place and the same answers."""
