"""What is read of paper and PDF: checks, codes, texts. Files are opened in a process that can do nothing else."""
