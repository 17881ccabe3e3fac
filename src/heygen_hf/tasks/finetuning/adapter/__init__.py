"""Low-rank matrices in its transformer: put in, beside earlier ones, and written as others read them."""
