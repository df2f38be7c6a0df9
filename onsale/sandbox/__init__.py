"""What makes a laptop enough: embedded parts, the Stripe simulator, the sample catalogue, the demo crowd."""
