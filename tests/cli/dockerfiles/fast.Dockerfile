FROM r8.im/monobase:latest
USER root
ENV R8_PYTHON_VERSION=3.11
ENV R8_TORCH_VERSION=2.1.0
ENV R8_CUDA_VERSION=12.1
ENV R8_CUDNN_VERSION=8
ENV R8_COG_VERSION=coglet
RUN apt-get update -qq && apt-get install -qqy nano && apt-get clean && rm -rf /var/lib/apt/lists/*
RUN monobase.build --mini
COPY build/requirements.txt /tmp/requirements.txt
RUN monobase.user --requirements=/tmp/requirements.txt
WORKDIR /src
EXPOSE 5000
ENV COG_WORKER_PYTHON="python"
ENV COG_SUPERVISOR_PYTHON="/opt/coglet/bin/python"
ENV COG_PREDICT_TYPE_STUB="run.py:Runner"
HEALTHCHECK --interval=5s --timeout=15s --start-period=300s --retries=3 CMD ["/opt/coglet/bin/python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:%s/readyz' % os.environ.get('PORT', 5000))"]
USER 10001:10001
ENTRYPOINT ["/opt/coglet/bin/python", "/opt/coglet/entrypoint.py"]
CMD ["python", "-m", "cog.server.http"]
COPY --chown=10001:10001 project /src
