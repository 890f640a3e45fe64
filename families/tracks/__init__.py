"""Model type 6: music for any instruments and percussion, as tokens of a bounded vocabulary.

family.py    what ModelFamily asks for
corpus.py    score files -> pieces
reading.py   MIDI through symusic, other scores through midi_io -> songs
song.py      a song: notes, tempi and metres as arrays
tokens.py    the vocabulary
encoding.py  songs -> tokens
cursor.py    where one is in a row of tokens
events.py    tokens -> events, one token at a time
grammar.py   which tokens may follow
dataset.py   pieces as tokens -> step sequences
features.py  what the network is told before each token
batches.py   windows of an epoch, in other keys                     (TensorFlow)
network.py   the Keras network                                     (TensorFlow)
sampler.py   the next event, endlessly
live.py      plays together with others
lookup.py    the most frequent token, the longest match
"""
