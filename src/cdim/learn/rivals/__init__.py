"""What fusion is compared with in Table 3."""
