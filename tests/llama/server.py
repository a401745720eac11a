"""Serves a GGUF model with llama.cpp on 127.0.0.1.

    python server.py target/llama/tiny.gguf [--port 0] [--seconds 600]

Prints one line of JSON when ready: {"url", "apiKey", "slots", "loadMilliseconds"}. The log goes to stderr. Stops when
standard input closes, and after --seconds whatever happens, so that it never outlives the test that started it.
"""

import argparse
import json
import os
import sys
import threading
import time

import xllamacpp

API_KEY = "sk-local"
SLOTS = 4


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("model")
    arguments.add_argument("--port", type=int, default=0, help="0 takes a free one")
    arguments.add_argument("--seconds", type=float, default=600, help="hard limit of the server's life")
    options = arguments.parse_args()

    # os._exit, because llama.cpp's threads would otherwise keep the process until open streams end.
    limit = threading.Timer(options.seconds, lambda: os._exit(3))
    limit.daemon = True
    limit.start()

    parameters = xllamacpp.CommonParams()
    parameters.model.path = options.model
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = options.port
    parameters.api_keys = [API_KEY]
    parameters.n_parallel = SLOTS
    parameters.n_ctx = 1024 * SLOTS
    # Idle keep-alive connections hold a thread each.
    parameters.n_threads_http = 64
    parameters.n_gpu_layers = 0
    parameters.cpuparams.n_threads = 1
    parameters.cpuparams_batch.n_threads = 1
    parameters.warmup = False
    parameters.fit_params = False
    parameters.use_jinja = True
    parameters.endpoint_slots = True
    parameters.endpoint_metrics = True
    # A full context is shifted rather than ending the text: a stream runs until its reader stops it.
    parameters.ctx_shift = True
    # The same request gives the same text whatever ran before it: nothing is reused, no slot shares another's cells.
    parameters.cache_prompt = False
    parameters.cache_ram_mib = 0
    parameters.kv_unified = False

    started = time.monotonic()
    server = xllamacpp.Server(parameters)
    ready = {
        "url": server.listening_address,
        "apiKey": API_KEY,
        "slots": SLOTS,
        "loadMilliseconds": round((time.monotonic() - started) * 1000),
    }
    print(json.dumps(ready), flush=True)

    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
