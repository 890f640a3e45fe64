"""How good a model and its music are.

report.py      the report card: figures on held-out pieces, copied passages, style, faults
style.py       distances between sets of pieces; voice leading; repetition
excerpts.py    excerpts of real and composed music for a listening test, cut alike
comparison.py  two models on the same pieces, how sure the difference is; the table of fine-tuning
plots.py       pictures of a model: learning curves, network, report card, benchmark
piano_roll.py  the picture of a piece, in pages if it is long
"""
