"""What travels with a registered model: everything it needs to answer, in numpy and Pillow."""
