"""What a claim is made of: its entries in the book, its statement, the answer to a verifier.

Declared here, below what makes a claim (`studies.claim`) and what checks it (`stages.verify`), so
that the two share the form and no arithmetic.
"""
