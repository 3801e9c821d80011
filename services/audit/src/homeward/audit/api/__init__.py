"""What audit answers: the public log and proofs from it, and what auditors may read beside it."""
