"""Jobs that are killed at a chosen moment: scripts for spark-submit, run by tests/integration/test_kill.py."""
