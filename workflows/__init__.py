"""What Play Bach does with a model: training one, and composing a piece with it.

trainer.py     a corpus in, a bundle out
checkpoint.py  after each epoch: measure, report, save              (TensorFlow)
encoding.py    a corpus of any size into shards: in processes, or on the machines of Ray
parallel.py    a training in several processes: started, watched, started again
worker.py      one of these processes                              (JAX)
composer.py    a new piece as files
tunes.py       a tune of somebody's own, harmonised or continued
signals.py     Ctrl-C and SIGTERM, and where they wait
"""
