"""What a training recipe may say."""
