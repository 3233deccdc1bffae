"""What crosses the boundary between supervisor and worker: messages, frames, spill files.

`control` holds the messages of the worker's stdin and stdout, `slot` those of the slot sockets,
`framing` cuts a slot's byte stream into payloads, `spill` carries what is too large for a frame.
Nothing here opens a socket or starts a thread.
"""
