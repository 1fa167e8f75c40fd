"""From a folder of files to text: sources, encodings, formats."""
