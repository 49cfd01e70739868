"""Real servers as child processes, for one machine without Docker and for the tests."""
