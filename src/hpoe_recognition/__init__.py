"""The recognition code that is packaged with every registered model; it needs no PyTorch."""
