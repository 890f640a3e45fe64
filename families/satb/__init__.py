"""Model type 5: soprano, alto, tenor and bass on a grid of sixteenths.

family.py       what ModelFamily asks for
encoding.py     a chorale as symbols: what each voice does at every sixteenth, with bars and phrases
dataset.py      scores and the public JSB form -> chorales -> step sequences
features.py     what the network is told before every step
key_bias.py     how much each pitch class sounded so far; those become more likely
retrieval.py    how training pieces with the same tune in the soprano went on
calibration.py  temperatures, fitted on validation pieces
network.py      the Keras LSTM and its four heads                     (TensorFlow)
batches.py      stateful batches                                      (TensorFlow)
predictor.py    the exported step
sampler.py      free composition, voice after voice
live.py         playing together: an answer, or three voices at once with a fourth
constraints.py  scale, ranges, no crossing
inpainting.py   harmonising and regenerating: composing around what is given
templates.py    bars and phrases of held-out chorales, on which new ones are built
baselines.py    a table of counts
jsb_sides.json  which of music21's chorales match which side of the JSB chorales
"""
