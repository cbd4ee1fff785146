"""A gallery over HTTP: a REST API, and the page where one draws and finds."""
