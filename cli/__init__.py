"""The command line: one table of options, and one file for each verb.

options.py      every option once: its flag, verbs, range and help; what makes no sense together
encode.py       --encode: a large corpus into shards
fit.py          -f: train
predict.py      -pm: compose a .mid file
duet.py         --duet: play together with people and models
duet_page.py    the page of --duet, if it can be served
replay.py       --replay: a session of --duet again
list_ports.py   --list-ports: the MIDI ports that there are
stream.py       -st: serve the control page and the sound
export.py       -sl: LiteRT variants, a C header
benchmark.py    -bf, -bl: how fast a model is here
evaluate.py     --evaluate: the report card of a model
list_models.py  --list: which models there are
doctor.py       --doctor: what is missing on this machine
add_user.py     --add-user: somebody else may log in to the server
add_guest.py    --add-guest: a code for guests
self_signed.py  --self-signed: a certificate for HTTPS
run_log.py      what every run was asked and told, in log_play_bach.log
output.py       --output: which files a piece becomes
common.py       the model and the settings that a command line asks for
"""
