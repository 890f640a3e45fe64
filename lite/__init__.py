"""LiteRT (TFLite): one engine from a server to a Raspberry Pi.

engine.py      what runs a network one event at a time; needs no TensorFlow
variants.py    float32, float16, dynamic, int8: what they are, and which one plays here
benchmark.py   how fast, how large and how good each of them is on this machine
export.py      a trained network as each of them            (TensorFlow)
parity.py      how far each of them is from Keras           (TensorFlow)
micro.py       the int8 network as a C header for microcontrollers
"""

from lite.engine import Probabilities, StepModel, interpreter, quiet

__all__ = ["Probabilities", "StepModel", "interpreter", "quiet"]
