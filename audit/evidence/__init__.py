"""Evidence: a case or a period of the record as a bundle of files, which outsiders prove without us (`watchfloor verify`)."""
