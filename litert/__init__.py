"""LiteRT (TFLite): what runs an exported network, from a server to a Raspberry Pi.

interpreter.py   runs exported steps; needs no TensorFlow
loading.py       a bundle with what runs its network
variants.py      float32, float16, dynamic, int8: what they are, and which one plays here
benchmark.py     how fast, how large and how good each of them is on this machine
export.py        a trained network as each of them                      (TensorFlow)
keras_runner.py  the same steps run by Keras, to compare with           (TensorFlow)
parity.py        how far each variant is from Keras                     (TensorFlow)
c_header.py      the int8 network as a C header for microcontrollers
"""
