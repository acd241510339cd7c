"""What answers a request: one module for each kind of URL. Only these, `auth`, `routing` and `app` know Falcon."""
