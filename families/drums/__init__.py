"""Model type 4: percussion on a grid that holds sixteenths and triplets.

family.py     what ModelFamily asks for
kit.py        the kinds of percussion, and to which each General MIDI note belongs
encoding.py   the grid, loudness as symbols, a piece as steps; steps <-> events
reading.py    MIDI files -> pieces; what is lost
features.py   what the network is told before every step
network.py    the Keras LSTM, and what it strikes                     (TensorFlow)
batches.py    windows of an epoch                                     (TensorFlow)
predictor.py  the exported step
sampler.py    step after step: a piece, music without end, an answer
live.py       playing together
baselines.py  a table of counts
"""
