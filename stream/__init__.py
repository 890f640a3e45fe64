"""Live music: stations that compose, and the server that sends their sound.

settings   play_bach.json, made at the first start
serve      starts and ends both servers
app        the Flask app: sound, links, downloads
guard      logins, and links that expire
hall       what all requests share
stations   who has which station; limits, watchdog
station    the predict thread, the clock, the knobs
listener   the bounded backlog of one listener
source     where events come from: the model or, when it fails, the corpus
mp3, keep  sound and scores as files
"""
