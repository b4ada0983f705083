"""What is tracked in MLflow: records as files, and their delivery."""
