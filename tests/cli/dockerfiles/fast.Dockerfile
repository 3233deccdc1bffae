FROM r8.im/monobase:latest
USER root
ENV R8_PYTHON_VERSION=3.11
ENV R8_TORCH_VERSION=2.1.0
ENV R8_CUDA_VERSION=12.1
ENV R8_CUDNN_VERSION=8
ENV R8_COG_VERSION=coglet
ENV HOME="/root"
RUN apt-get update -qq && apt-get install -qqy nano && apt-get clean && rm -rf /var/lib/apt/lists/* /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log /var/cache/ldconfig/aux-cache
RUN monobase.build --mini
COPY build/requirements.txt /tmp/requirements.txt
RUN monobase.user --requirements=/tmp/requirements.txt
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
