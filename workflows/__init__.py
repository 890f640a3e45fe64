"""What Play Bach does with a model: training one, and composing a piece with it.

trainer.py     a corpus in, a bundle out
finetune.py    a trained model and other music in, a new bundle out  (TensorFlow)
scratch.py     a network trained from scratch for as long, to compare (TensorFlow)
checkpoint.py  after each epoch: measure, report, save              (TensorFlow)
encoding.py    a corpus of any size into shards: in processes, or on the machines of Ray
parallel.py    a training in several processes: started, watched, started again
worker.py      one of these processes                              (JAX)
composer.py    a new piece as files
tunes.py       a tune of somebody's own, harmonised or continued
progress.py    how far a training is, as files for who watches
progress_callback.py  what tells it, and composes after each epoch  (TensorFlow)
signals.py     Ctrl-C and SIGTERM, and where they wait
"""
