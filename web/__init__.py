"""HTTP: the app factory, the API, the pages and the console."""
