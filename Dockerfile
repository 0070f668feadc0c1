FROM python:3.11-slim
RUN useradd --create-home --uid 1000 candor
WORKDIR /home/candor/app
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY . .
# what is compiled and parsed is known by the times of its files, of which layers keep whole seconds
RUN find . -type f -exec touch -d 2000-01-01 {} + && python -m compileall -q -x tests . \
  && python -m guard check --question ping --reply pong \
  && mkdir -p /home/candor/data && chown 1000:1000 /home/candor/data
USER 1000
ENV HOST=0.0.0.0 PORT=7860 CANDOR_DATA=/home/candor/data PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
VOLUME /home/candor/data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=40s \
  CMD python -c "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/health', timeout=4)"
CMD ["python", "app.py"]
