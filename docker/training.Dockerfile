# Training, and all the rest of Play Bach, on your own scores.
#   docker build -f docker/training.Dockerfile -t play-bach-training .
#   docker run -v "$PWD/my-midi:/data/training" -v play-bach:/data play-bach-training -l 0 -f --app mine
FROM python:3.13-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libfluidsynth3 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements-lite.txt requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY *.py ./
COPY cli cli
COPY duet duet
COPY evaluation evaluation
COPY families families
COPY gui gui
COPY litert litert
COPY music music
COPY storage storage
COPY stream stream
COPY workflows workflows
RUN useradd --create-home bach && mkdir -p /data/training /data/checkpoint && chown -R bach /data
COPY --chown=bach models/bach*.zip models/drums*.zip /data/models/
USER bach
ENV PLAY_BACH_HOME=/data PYTHONUNBUFFERED=1
VOLUME /data
ENTRYPOINT ["python", "/app/play_bach.py"]
CMD ["-h"]
