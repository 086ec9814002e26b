"""One HTML file that shows what a run found: figures, tables, sentences, and where every number comes from."""
