"""What stages exchange: frozen types, their files on disk, and the digests that prove them."""
