FROM demo-weights AS weights
FROM python:3.12-slim AS start
ENV DEBIAN_FRONTEND=noninteractive
ENV PYTHONUNBUFFERED=1
ENV LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/lib/x86_64-linux-gnu:/usr/local/nvidia/lib64:/usr/local/nvidia/bin
ENV NVIDIA_DRIVER_CAPABILITIES=all
COPY build/cog-ca-cert.crt /usr/local/share/ca-certificates/cog-ca-cert.crt
RUN if command -v update-ca-certificates >/dev/null; then update-ca-certificates; else mkdir -p /etc/ssl/certs && cat /usr/local/share/ca-certificates/cog-ca-cert.crt >>/etc/ssl/certs/ca-certificates.crt; fi
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
ENV REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
RUN { command -v update-ca-certificates && command -v curl && command -v git && command -v unzip && command -v wget && command -v xz; } >/dev/null || { apt-get update -qq && apt-get install -qqy --no-install-recommends ca-certificates curl git unzip wget xz-utils && apt-get clean && rm -rf /var/lib/apt/lists/*; }
FROM start AS coglet
COPY build/server /tmp/server
RUN python -m venv --without-pip /opt/coglet && python -m pip --python /opt/coglet/bin/python install --disable-pip-version-check --no-cache-dir "/tmp/server/p.whl[server]"
COPY build/entrypoint.py /opt/coglet/entrypoint.py
FROM start
ENV A="one"
ENV B="two \"words\""
RUN apt-get update -qq && apt-get install -qqy ffmpeg nano && apt-get clean && rm -rf /var/lib/apt/lists/*
COPY build/local_package_artifacts /tmp/local_package_artifacts
COPY build/constraints.txt /tmp/constraints.txt
COPY build/requirements.txt /tmp/requirements.txt
RUN python -m pip install --disable-pip-version-check --no-cache-dir -r /tmp/requirements.txt
COPY --from=coglet /opt/coglet /opt/coglet
COPY build/model /tmp/model
RUN python -m pip install --disable-pip-version-check --no-cache-dir /tmp/model/p.whl
RUN groupadd --gid 10001 cog && useradd --create-home --uid 10001 --gid 10001 cog && install --directory --owner=cog --group=cog /src /var/run/cog
RUN echo ok
RUN ["/bin/sh", "-ec", "set -e\necho one\necho two"]
RUN --mount=type=secret,id=token,target=/run/token cat /run/token
COPY --from=weights /src/checkpoints /src/checkpoints
COPY --from=weights /src/model.bin /src/model.bin
WORKDIR /src
EXPOSE 5000
ENV COG_WORKER_PYTHON="python"
ENV COG_SUPERVISOR_PYTHON="/opt/coglet/bin/python"
ENV COG_PREDICT_TYPE_STUB="run.py:Runner"
ENV COG_TRAIN_TYPE_STUB="train.py:train"
ENV COG_MAX_CONCURRENCY="4"
HEALTHCHECK --interval=5s --timeout=15s --start-period=300s --retries=3 CMD ["/opt/coglet/bin/python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:%s/readyz' % os.environ.get('PORT', 5000))"]
USER 10001:10001
ENTRYPOINT ["/opt/coglet/bin/python", "/opt/coglet/entrypoint.py"]
CMD ["python", "-m", "cog.server.http"]
COPY --chown=10001:10001 project /src
RUN cp /src/configs/gpu.yaml /src/cog.yaml
