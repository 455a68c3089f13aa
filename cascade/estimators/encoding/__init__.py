"""How do columns of text, categories and dates become numbers? By transformers that are fitted with each model."""
