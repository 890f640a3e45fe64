"""Playing together: people, models and files, in time, over MIDI.

settings.py    every setting of playing together
clock.py       our own clock, and one that follows MIDI clock (a phase-locked loop); swing
ports.py       MIDI ports behind one face
opening.py     opens a port by its name
hardware.py    ports of this machine and virtual ones                  (python-rtmidi, optional)
network.py     ports over TCP
browser.py     the port of pages in browsers: what they may say, and how much
told.py        what pages were told that still sounds, for one that joins late
sound.py       all that is played, rendered for friends who listen
osc.py         notes, beats, bars and surprise as OSC                   (python-osc, optional)
routing.py     on which MIDI channel whom one hears
notes.py       an output that ends every note it has begun
dispatcher.py  messages sent at their beats; MIDI clock sent
parts.py       what somebody plays, and a performer that plans it at the outputs
players.py     a person, a model
ways.py        who plays when: answer, ring, continue, accompany
successor.py   another model in the place of one that plays
session.py     all of that without clock and threads; what comes in is written down
casting.py     players from words: people, files, models
knobs.py       control changes that set something, learned and kept
worker.py      what takes long, beside the music: loading models, keeping files
conductor.py   a session in real time: its threads
recording.py   .mid, score and what plays a session again

Nothing here knows HTTP: gui/duet.py connects pages to BrowserPort and Conductor.control, and shows the
state of Conductor and Session; gui/duet_friends.py sends the sound.
"""
