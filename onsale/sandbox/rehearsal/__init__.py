"""Rehearses a sale: sends a crowd of simulated buyers, breaks what it is told to break, audits what became of it.

`plan` says what comes, `sale` puts it on sale, `generating` is the crowd in a process of its own, `conducting` runs it
all, `results` says what happened, and `terminal` and `page` show it.
"""
