"""Names that no code of ours uses, and why they stay; `scripts/check dead` reports every other one.

Vulture reads this file as code that uses the names. `tests/test_allowed_names.py` fails when the sources no
longer contain one.
"""

# The contract of the SDK: models and their tools use these.
_.ConfigDoesNotExist
_.PredictorNotSet
_.PREDICT  # cog.mode.Mode
_.TRAIN
_.encode  # cog.coder.Coder
_.decode
_.x  # its parameter
_.get_secret_value
_.suppress_output
_.__cog_concurrent_max__
_._run_worker
_.output_temp_dir_base
_.newlines  # of a text stream
_.readall
_.git_sha  # coglet.__build__
_.dirty
_.build_time
_.rustc_version

# Fields of the documented messages that our supervisor does not read; their docstrings say so.
_.mime_type
_.predict_time

# Fields of JSON bodies that clients read.
_.started_at
_.completed_at
_.attempts
_.user_healthcheck_error
_.reload_error
_.capacity
_.data_removed
_.busy
_.python_sdk

# The last hour, for the plots of the page.
_.samples
_.predictions_per_s
_.p50_s
_.p95_s
_.p99_s
_.queue_length
_.worker_memory_bytes

# Called by Python.
_.__getattr__
_.__dir__
_.__class__
_.ReadableBuffer  # in a quoted annotation
_.Tree

# Read by sqlite3.
_.row_factory

# Called by asyncio.
_.connection_made
_.connection_lost
_.eof_received
_.pause_writing
_.exc

# Called by httptools.
_.on_message_begin
_.on_url
_.on_header
_.on_headers_complete
_.on_body
_.on_message_complete

# Read or called by the standard library's clients and servers, tarfile, zipfile and logging.
_.http_open
_.https_open
_.http_error_308
_._create_connection
_.response_class
_.log_message
_.protocol_version
_.close_connection
_.daemon_threads
_.address_family
_.request_queue_size
_.uid
_.gid
_.uname
_.gname
_.external_attr
_.handlers

# Read or called by Hypercorn, h2, anyio's interface in httpcore, Quart and click.
_.include_server_header
_.keep_alive_max_requests
_.local_settings
_.spawn_app
_._send_data
_.create_connection
_.merge_slashes
_.short_help

# In tests: a method of pytest-xdist, what pydantic's models have, fields that are compared as a whole object.
_._split_scope
_.model_dump
_.registered  # a fixture, as a parameter
_.AsyncRunner  # named by a reference
_.y
_.also
