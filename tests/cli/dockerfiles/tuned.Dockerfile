FROM python:3.13-slim AS start
ARG SOURCE_DATE_EPOCH
ENV DEBIAN_FRONTEND=noninteractive
ENV PYTHONUNBUFFERED=1
ENV LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/usr/lib/x86_64-linux-gnu:/usr/local/nvidia/lib64:/usr/local/nvidia/bin
ENV NVIDIA_DRIVER_CAPABILITIES=all
RUN { command -v update-ca-certificates && command -v curl && command -v git && command -v unzip && command -v wget && command -v xz; } >/dev/null || { apt-get update -qq && apt-get install -qqy --no-install-recommends ca-certificates curl git unzip wget xz-utils && apt-get clean && rm -rf /var/lib/apt/lists/* /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache; }
FROM start AS coglet
ARG SOURCE_DATE_EPOCH
COPY build/server /tmp/server
RUN python=$(python -c 'import os, sys; print(os.path.realpath(sys.executable))') && "$python" -m venv --without-pip /opt/coglet && python -m pip --python /opt/coglet/bin/python install --disable-pip-version-check --no-cache-dir "/tmp/server/p.whl[server]"
COPY build/entrypoint.py /opt/coglet/entrypoint.py
FROM start
ARG SOURCE_DATE_EPOCH
ENV HOME="/root"
RUN apt-get update -qq && apt-get install -qqy binutils && apt-get clean && rm -rf /var/lib/apt/lists/* /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache
COPY build/requirements.txt /tmp/requirements.txt
RUN python -m pip install --disable-pip-version-check --no-cache-dir -r /tmp/requirements.txt && find "$(python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')" -type f -name "*.so" -not -path "*.libs/*" -exec strip -S {} \;
COPY --from=coglet /opt/coglet /opt/coglet
COPY build/model /tmp/model
RUN python -m pip install --disable-pip-version-check --no-cache-dir /tmp/model/p.whl && find "$(python -c 'import sysconfig; print(sysconfig.get_path("platlib"))')" -type f -name "*.so" -not -path "*.libs/*" -exec strip -S {} \;
RUN python -W ignore -m compileall -q -f -j 0 --invalidation-mode unchecked-hash "$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" || true
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
