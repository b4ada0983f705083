"""Training one layer of one class, and dispatching many of these tasks."""
