"""From raw files to the images of each digit."""
