"""What lies on the disk: models as one file each, and files that are never half-written.

files.py       atomic writes, numbered copies of what was there before
vocabulary.py  the symbols of a model and their token ids: plain data
bundle.py      a trained model as one zip file
manifest.py    its description: what it must hold
shards.py      encoded corpora: Parquet files of pieces, and their manifest
lock.py        what only one process does at a time
answers.py     what people answered in the listening test, counted
catalog.py     which models there are, and which of them is meant by --app
"""
