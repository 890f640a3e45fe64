"""The control page, made with REMI for a phone held upright.

server.py              the server of the page
app.py                 REMI's HTTP and WebSocket behind a login
login.py, login.html   the login form, guests' links, logging out
page.py                what stands on the page
melody.py              the cards of one's own tune and of what was kept
widgets.py             what cards are made of
words.py               the list of models; quoted pieces
page.css, page.js      how it looks, and what moves on it
melody.css, melody.js  the same of the cards of melody.py
share.html, icon.html  the page for friends, the icon
"""
