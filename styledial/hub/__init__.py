"""Downloading models, from Hugging Face, a mirror of it, or ModelScope.

listing.py       what a repository holds: paths, sizes, checksums
  huggingface.py, modelscope.py     the two hubs' answers, and their refusals in plain words
choose.py        which of the files a training needs
fetch.py         one file: resumed where it was cut, checked, put in place
download.py      all of it, into a folder that model_name_or_path accepts
"""
