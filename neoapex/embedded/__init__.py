"""The embedded stack: PostgreSQL, Redis and Neo-Apex's own processes, run from one home folder by one supervisor."""
