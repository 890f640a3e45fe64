"""Live music: stations that compose, and the server that sends their sound.

settings.py         play_bach.json, made at the first start
server.py           starts and ends both servers
app.py              the Flask app: sound, links, downloads
radio.py            playlists, and titles within an MP3 stream
openapi.py          the HTTP interface as OpenAPI 3.1
titles.py           what models and stations are called
friends.py          what friends see: their page, its news
texts.py texts.json what people read on the pages, in three languages
accounts.py         users, guests, and the cookie of who has logged in
auth.py             logins with a limit on guessing
links.py            links and cookies that are signed and expire
tls.py              HTTPS: the certificate, handshakes that hold nobody up
connections.py      limits on connections and on the time a request may take
store.py            what survives a restart, in SQLite
context.py          what the requests of both servers share
stations.py         who has which station; limits, watchdog
station.py          one station: its listeners, its clock
workers.py          the processes that compose: who has which station, is there room
messages.py         what they and the server tell each other
worker.py           one of them
producer.py         what it does for a station: sound, block after block, again after a failure
pool.py             its predict threads, and how busy they are
player.py           what they do for a producer
player_settings.py  what a listener can change; the events that were played
piece.py            what a piece comes of; which pieces a station has played
permalink.py        links by which a piece plays again
source.py           events from the model or, when it fails, from the corpus
model_cache.py      the models that stations play, read once
listener.py         the bounded backlog of one listener
formats.py          the last blocks of a sound in the formats that are listened to
mp3.py              sound -> MP3
live.py             a station for what is played at this moment
recording.py        music that was kept as MIDI, score, picture and sound
recordings.py       all that was kept: titles, owners, files
recording_views.py  the requests about them, and about tunes
job_process.py      a process of its own for work beside the music
tunes.py            tunes of listeners: what they may be, one at a time
tune_worker.py      the process that reads them and composes around them
quiz.py             'Bach or not?': rounds of excerpts, the answers
quiz_worker.py      the process that composes and renders them
quiz_views.py       the requests about them
quiz_schemas.py     the form of what is asked and told
uploads.py          the scores that users send to train with
training_table.py   what was read of them, and what was lost
training_reader.py  the process that reads them
training.py         trainings from the page, one at a time
training_process.py the process of one: a command line of play_bach.py
training_views.py   the requests about them
training_schemas.py the form of what is told of them
"""
