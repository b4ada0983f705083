"""Data sets: from their files to the images of each digit."""
