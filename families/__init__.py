"""Model types: what differs from one network to another, behind one interface.

base.py      the interface: ModelFamily, and the data that families and all others exchange
steps.py     a network one step at a time: sequences, runner, predictor
registry.py  the model types by number
corpus.py    score files -> notes, read on all cores, cached by content
codec.py     pieces as rows of shards, and back
large.py     corpora that do not fit in memory: their pieces stay in shards
split.py     training, validation and test pieces
sampling.py  temperature, nucleus, and the sampler of one step
metrics.py   nats and accuracy on step sequences, by Keras or step by step
live.py      what a model can do that plays together with others
losses.py    loss, accuracy and optimizer                            (TensorFlow)
events/      the articles' networks, types 1 to 3: notes and chords one after the other
drums/       type 4: percussion on a grid of sixteenths and triplets
satb/        type 5: four voices on a grid of sixteenths
tracks/      type 6: any instruments and percussion, as tokens
"""
