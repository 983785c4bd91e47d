"""The elastic sparse transformer. It knows one device; parallelism is handed in from above."""
