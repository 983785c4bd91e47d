"""Checking a workspace without sharing any code with what wrote it."""
