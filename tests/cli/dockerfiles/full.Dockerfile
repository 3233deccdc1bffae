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
RUN { command -v update-ca-certificates && command -v curl && command -v git && command -v unzip && command -v wget && command -v xz; } >/dev/null || { apt-get update -qq && apt-get install -qqy --no-install-recommends ca-certificates curl git unzip wget xz-utils && apt-get clean && rm -rf /var/lib/apt/lists/* /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache; }
FROM start AS coglet
COPY build/server /tmp/server
RUN python=$(python -c 'import os, sys; print(os.path.realpath(sys.executable))') && "$python" -m venv --without-pip /opt/coglet && python -m pip --python /opt/coglet/bin/python install --disable-pip-version-check --no-cache-dir "/tmp/server/p.whl[server]"
COPY build/entrypoint.py /opt/coglet/entrypoint.py
FROM start
ENV HOME="/root"
ENV A="one"
ENV B="two \"words\""
RUN apt-get update -qq && apt-get install -qqy ffmpeg nano && apt-get clean && rm -rf /var/lib/apt/lists/* /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache
COPY build/local_package_artifacts /tmp/local_package_artifacts
COPY build/constraints.txt /tmp/constraints.txt
COPY build/requirements.txt /tmp/requirements.txt
RUN python -m pip install --disable-pip-version-check --no-cache-dir -r /tmp/requirements.txt
COPY --from=coglet /opt/coglet /opt/coglet
COPY build/model /tmp/model
RUN python -m pip install --disable-pip-version-check --no-cache-dir /tmp/model/p.whl
RUN echo ok
RUN ["/bin/sh", "-ec", "set -e\necho one\necho two"]
RUN --mount=type=secret,id=token,target=/run/token cat /run/token
COPY --from=weights /src/checkpoints /src/checkpoints
COPY --from=weights /src/model.bin /src/model.bin
RUN { getent passwd 10001 || useradd --no-create-home --home-dir /root --uid 10001 --gid 0 cog; } >/dev/null && mkdir -p /src && install --directory --mode=775 /var/run/cog && find /root /src -name .ssh -prune -o -type d ! \( -group 0 -perm -070 \) -exec chgrp 0 {} + -exec chmod g+rwx {} +
WORKDIR /src
EXPOSE 5000
ENV COG_WORKER_PYTHON="python"
ENV COG_SUPERVISOR_PYTHON="/opt/coglet/bin/python"
ENV COG_PREDICT_TYPE_STUB="run.py:Runner"
ENV COG_TRAIN_TYPE_STUB="train.py:train"
ENV COG_MAX_CONCURRENCY="4"
HEALTHCHECK --interval=5s --timeout=15s --start-period=300s --retries=3 CMD ["/opt/coglet/bin/python", "-m", "coglet_supervisor.probe"]
USER 0:0
ENTRYPOINT ["/opt/coglet/bin/python", "/opt/coglet/entrypoint.py"]
CMD ["python", "-m", "cog.server.http"]
COPY project /src
RUN cp /src/configs/gpu.yaml /src/cog.yaml
