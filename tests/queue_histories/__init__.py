"""Histories of one waiting room: a plain model of it, and a machine that holds the scripts against the model."""
