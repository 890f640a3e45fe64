"""How good a model and its music are.

report.py  the report card: figures on held-out pieces, copied passages, style, faults
style.py   distances between sets of pieces; voice leading; repetition
plots.py   pictures: piano roll, learning curves, network, report card, benchmark
"""
