"""Where tasks run: processes, Ray clusters, and what they show of their progress."""
