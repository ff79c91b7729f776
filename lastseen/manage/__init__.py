"""What people do to what is watched and to who is told, and what they are shown: verbs on a monitor, with values that
are JSON. The command line does them beside the database, the API for who asks it."""
