"""The signed report of a sale: how it is written and signed, and the one file with which a stranger checks it."""
