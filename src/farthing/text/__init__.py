"""Documents, tokenizer, token shards, the stateless data order, and the batches it yields."""
