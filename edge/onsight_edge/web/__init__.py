"""The dashboard and the HTTP API of a live run. Needs the extra `web`; docs/web.md describes every route."""
