"""The API, version 1: one module per noun, each a table of operations that routes and OpenAPI are both made from."""
