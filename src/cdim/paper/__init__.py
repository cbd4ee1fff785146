"""The paper's tables: the list of rows, the measured numbers, and whether they agree."""
