"""Model type 5: music in four voices, on a grid of sixteenths.

grid.py       a chorale as symbols: what each voice does at every sixteenth
sources.py    scores and the public JSB form -> chorales
ear.py        what the network is told at every step: sounding, held, heard before, the plan
network.py    the Keras LSTM and its four heads
lessons.py    batches, loss and the training's measurements
engine.py     the network one sixteenth at a time, in LiteRT
composer.py   free composition, voice after voice
given.py      harmonising and regenerating: composing around what stands
"""
