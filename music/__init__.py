"""What music is made of, whatever network composes it.

events.py       notes, events, pieces, bars; exact times in quarter lengths
notation.py     keys, spelling, staves and bars of a score
instruments.py  the 128 General MIDI instruments
scales.py       'G major' -> its notes
sounds.py       notes by instruments that are told apart, and percussion
synth.py        events -> sound, through FluidSynth
loudness.py     how loud instruments are; gain, limiter, volume
wav.py          events -> a WAV file
midi_repair.py  MIDI files that break the rules, made well
keys.py         the key of some notes
copies.py       passages that a piece copies from others
lookback.py     the longest earlier match within a piece
"""
