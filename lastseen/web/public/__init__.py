"""What everybody may look at without logging in: status pages and badges."""
