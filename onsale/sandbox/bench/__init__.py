"""`onsale bench`: what Onsale must reach, measured as ratios in one run; one module per row."""
