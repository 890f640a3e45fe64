# The streaming server, with what composing needs and no TensorFlow.
#   docker build -f docker/server.Dockerfile -t play-bach .
#   docker run -p 8800:8800 -p 8801:8801 -v play-bach:/data play-bach      (its log has the password)
#   docker run -v play-bach:/data play-bach -pm                            (compose a .mid in /data/models)
FROM python:3.13-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends libfluidsynth3 \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements-lite.txt ./
RUN pip install --no-cache-dir -r requirements-lite.txt
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
EXPOSE 8800 8801
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD python -c "from ssl import _create_unverified_context as any_certificate; from urllib.request import urlopen; urlopen('http://127.0.0.1:8801/ping', timeout=4, context=any_certificate())"
ENTRYPOINT ["python", "/app/play_bach.py"]
CMD ["-st", "--host", "0.0.0.0"]
