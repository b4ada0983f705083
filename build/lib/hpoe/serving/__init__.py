"""What answers requests: images as people have them, and the model packaged to be served."""
