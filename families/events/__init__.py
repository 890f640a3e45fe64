"""Model types 1 to 3, the articles' networks: notes and chords one after the other.

family.py     what ModelFamily asks for
encoding.py   events <-> symbols <-> token ids
dataset.py    pieces -> step sequences; the articles' split by window
shards.py     rows of shards: chords as bits, an object for no event
batches.py    windows of an epoch                                  (TensorFlow)
growth.py     a trained network gets new symbols                   (TensorFlow)
network.py    one step of the networks in model.py, for export     (TensorFlow)
predictor.py  the exported step: a row of ids in, probabilities of each field out
sampler.py    the next event, endlessly
live.py       playing together with others
rhythm.py     durations for networks that predict pitches alone
baselines.py  the most frequent symbol, the longest match
"""
