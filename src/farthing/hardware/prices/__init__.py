"""Prices of rented devices: dated, hashed snapshots, and the files they are made from."""
