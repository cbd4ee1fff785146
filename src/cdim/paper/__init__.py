"""The paper's tables: what is to be measured, what was, and whether it agrees."""
