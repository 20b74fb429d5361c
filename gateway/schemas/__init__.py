"""The event schema as others consume it: served over HTTP, as AsyncAPI and OpenAPI documents, as a reference page."""
