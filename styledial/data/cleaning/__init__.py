"""From a book's lines to its prose: typography, titles, site lines, prefaces."""
