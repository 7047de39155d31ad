"""The OpenAPI document and the `/docs` page: components, schemas, examples, and their routes."""
