"""The control page, made with REMI for a phone held upright, and an app if it is installed.

server.py handler.py   the server of the page; requests behind a login
app.py websocket.py    REMI's HTTP and WebSocket behind a login
login.py, login.html   the login form, guests' links, logging out
page.py                the session of a page: its station, its news, its requests
cards.py widgets.py    what stands on the page; what that is built of
listening.py, .js      voices, key, room, pieces
melody.py              the cards of one's own tune and of what was kept
moods.py words.py      settings under one name; the list of models, quoted pieces
assets.py icons/       the web app manifest, the icons
page.css, page.js      how it looks, and what moves on it
melody.css, melody.js  the same of the cards of melody.py
training.py .css .js   the card where a network is taught somebody's own music
common.js, roll.js     what both pages share; the piano roll
device.js              memory, sleep timer, waking up, keys, the lock screen
share.html .css .js    the page for friends, which stream/friends.py serves
quiz.html .css .js     the page 'Bach or not?', which stream/quiz_views.py serves
duet.py duet_news.py   the page for playing together: requests and WebSocket; what it is told
duet_friends.py        its sound for friends, beside it
duet.html, duet*.js, .css  what stands and moves on it
head.html              links to manifest and icons
"""
