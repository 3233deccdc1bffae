FROM nvidia/cuda:12.9.1-cudnn-devel-ubuntu24.04 AS start
ENV DEBIAN_FRONTEND=noninteractive
ENV PYTHONUNBUFFERED=1
ENV LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/lib/x86_64-linux-gnu:/usr/local/nvidia/lib64:/usr/local/nvidia/bin
ENV NVIDIA_DRIVER_CAPABILITIES=all
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked { command -v update-ca-certificates && command -v curl && command -v git && command -v unzip && command -v wget && command -v xz; } >/dev/null || { apt-get update -qq && apt-get install -qqy --no-install-recommends ca-certificates curl git unzip wget xz-utils && rm -rf /var/lib/apt/lists/* /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache; }
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked apt-get update -qq && apt-get install -qqy python3 python3-venv && rm -rf /var/lib/apt/lists/* /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache
RUN python3 -m venv /opt/uv && /opt/uv/bin/python -m pip install --no-cache-dir uv && ln -s /opt/uv/bin/uv /usr/local/bin/uv
RUN UV_PYTHON_INSTALL_DIR=/opt/python uv python install 3.10 && UV_PYTHON_INSTALL_DIR=/opt/python uv venv --seed --managed-python --python 3.10 /opt/model
ENV PATH="/opt/model/bin:$PATH"
FROM start AS coglet
# The server needs a newer Python than the model's; others in the base image may be older.
RUN UV_PYTHON_INSTALL_DIR=/opt/coglet/python /opt/uv/bin/uv python install 3.13
COPY build/server /tmp/server
RUN python=$(UV_PYTHON_INSTALL_DIR=/opt/coglet/python /opt/uv/bin/uv python find --managed-python 3.13) && "$python" -m venv --without-pip /opt/coglet && "$python" -m pip --python /opt/coglet/bin/python install --disable-pip-version-check --no-cache-dir "/tmp/server/p.whl[server]"
COPY build/entrypoint.py /opt/coglet/entrypoint.py
FROM start
ENV HOME="/root"
COPY build/requirements.txt /tmp/requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip python -m pip install --disable-pip-version-check --cache-dir /root/.cache/pip -r /tmp/requirements.txt
COPY --from=coglet /opt/coglet /opt/coglet
COPY build/model /tmp/model
RUN --mount=type=cache,target=/root/.cache/pip python -m pip install --disable-pip-version-check --cache-dir /root/.cache/pip /tmp/model/p.whl
RUN { getent passwd 10001 || useradd --no-create-home --home-dir /root --uid 10001 --gid 0 cog; } >/dev/null && mkdir -p /src && install --directory --mode=775 /var/run/cog && find /root /src -name .ssh -prune -o -type d ! \( -group 0 -perm -070 \) -exec chgrp 0 {} + -exec chmod g+rwx {} +
WORKDIR /src
EXPOSE 5000
ENV COG_WORKER_PYTHON="python"
ENV COG_SUPERVISOR_PYTHON="/opt/coglet/bin/python"
ENV COG_PREDICT_TYPE_STUB="run.py:Runner"
HEALTHCHECK --interval=5s --timeout=15s --start-period=300s --retries=3 CMD ["/opt/coglet/bin/python", "-m", "coglet_supervisor.probe"]
USER 0:0
ENTRYPOINT ["/opt/coglet/bin/python", "/opt/coglet/entrypoint.py"]
CMD ["python", "-m", "cog.server.http"]
COPY project /src
