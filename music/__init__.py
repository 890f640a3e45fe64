"""What music is made of, whatever network composes it.

events.py       notes, events, pieces, bars; exact times in quarter lengths
notation.py     keys, spelling, staves and bars of a score
note_arrays.py  the notes of a score as one array, cut into events
midi_arrays.py  a MIDI file as such an array, through symusic
instruments.py  the 128 General MIDI instruments
scales.py       'G major' -> its notes
sounds.py       notes by instruments that are told apart, and percussion
synth.py        events -> sound, through FluidSynth
midi_synth.py   MIDI messages -> sound
samples.py      single notes as WAV files, for pages that sound by themselves
loudness.py     how loud instruments are; gain, limiter, volume
wav.py          events -> a WAV file
scores.py       a score as it is read; what else a file may hold
midi_reader.py  MIDI files -> scores, through symusic
midi_repair.py  MIDI files that break the rules, made well
score_reader.py MusicXML, Humdrum, ABC -> scores, through music21
repeats.py      scores with their repeats, as they are played
keys.py         the key of some notes
chords.py       chords by name
phrases.py      where the phrases of a melody end
cadences.py     the chords on which phrases end
copies.py       passages that a piece copies from others
lookback.py     the longest earlier match within a piece
"""
