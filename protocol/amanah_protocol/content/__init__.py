"""What is sealed inside envelopes: one module for each kind of content."""
