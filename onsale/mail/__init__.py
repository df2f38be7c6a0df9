"""Letters as buyers get them: drawn as text and HTML, and handed to an SMTP server, or written to a folder."""
