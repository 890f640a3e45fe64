"""The control page, made with REMI for a phone held upright.

server.py              the server of the page
app.py                 REMI's HTTP and WebSocket behind a login
page.py                what stands on the page
words.py               the list of models; quoted pieces
listening.py, .js      voices, key, room, pieces
widgets.py             elements, cards, buttons, lists, sliders
page.css, page.js      how it looks, and what moves on it
share.html, icon.html  the page for friends, the icon
"""
