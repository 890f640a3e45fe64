"""The control page, made with REMI for a phone held upright.

server.py              the server of the page
app.py                 REMI's HTTP and WebSocket behind a login
page.py                the session of a page: its station, its news, its requests
cards.py widgets.py    what stands on the page; what that is built of
words.py               the list of models; quoted pieces
page.css, page.js      how it looks, and what moves on it
share.html, icon.html  the page for friends, the icon
"""
