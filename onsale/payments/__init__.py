"""Stripe behind one small interface."""
