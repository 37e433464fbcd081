"""What each page shows, read through what its reader may see, in as few queries as possible."""
