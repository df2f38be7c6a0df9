"""Celery: the tasks that work the lanes, charge cards and sweep what a crash left."""
