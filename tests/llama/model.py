"""Writes a language model small enough to be made in a test: random weights, fixed seed, 0.5 MB.

    python model.py target/llama/tiny.gguf

What it says makes no sense. How it says it is real: llama.cpp loads, tokenises, samples, constrains by
grammar and streams it like any other model.
"""

import os
import sys

import gguf
import numpy

SEED = 20260101
CONTEXT = 4096
WIDTH = 64
HEADS = 4
FEED_FORWARD = 128
BLOCKS = 2

SPECIAL = ["<unk>", "<s>", "</s>"]
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
MARKS = ["<tool_call>", "</tool_call>", "<think>", "</think>"]
WORDS = [
    "▁" + word
    for word in (
        "the a of and in on with under over is was sees takes gives finds keeps small old quiet blue "
        "bright long river stone bird garden letter window road song light winter morning"
    ).split()
] + [".", ",", "é", "ü", "日", "本", "語"]

# The Hermes form of tool calls, which llama.cpp recognises by reading the template. Nothing stands between the marks
# and the JSON: a newline would become part of the mark, which is a single token here.
CHAT_TEMPLATE = """\
{%- if tools %}{{ 'system\\nCall a tool by writing <tool_call>{"name": ..., "arguments": ...}</tool_call>. The tools:' }}
{%- for tool in tools %}{{ '\\n' + (tool | tojson) }}{% endfor %}{{ '\\n' }}
{%- endif %}
{%- for message in messages %}
{{- message.role + '\\n' }}
{%- if message.reasoning_content %}{{ '<think>' + message.reasoning_content + '</think>' }}{% endif %}
{%- if message.content %}{{ message.content }}{% endif %}
{%- if message.tool_calls %}
{%- for call in message.tool_calls %}
{{- '<tool_call>{"name": "' + call.function.name + '", "arguments": ' + (call.function.arguments | tojson) + '}</tool_call>' }}
{%- endfor %}
{%- endif %}
{{- '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ 'assistant\\n' }}{% endif %}"""


def write(path):
    tokens = SPECIAL + BYTES + MARKS + WORDS
    types = (
        [gguf.TokenType.UNKNOWN, gguf.TokenType.CONTROL, gguf.TokenType.CONTROL]
        + [gguf.TokenType.BYTE] * len(BYTES)
        + [gguf.TokenType.USER_DEFINED] * len(MARKS)
        + [gguf.TokenType.NORMAL] * len(WORDS)
    )
    scores = [0.0] * (len(SPECIAL) + len(BYTES) + len(MARKS)) + [-float(rank) for rank in range(1, len(WORDS) + 1)]

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_vocab_size(len(tokens))
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(BLOCKS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_scores(scores)
    # Otherwise a space is put before every text, also before the generation prompt that constrained decoding
    # must find at the start of its grammar.
    writer.add_add_space_prefix(False)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(CHAT_TEMPLATE)

    # Uniform numbers are made from the generator's integers by exact arithmetic, so every machine
    # writes the same file; normal ones go through the platform's logarithm.
    generator = numpy.random.Generator(numpy.random.PCG64(SEED))

    def random(rows, columns, deviation):
        uniform = generator.random((rows, columns), dtype=numpy.float32) - numpy.float32(0.5)
        return uniform * numpy.float32(deviation * 12**0.5)

    # The first column of every embedding is the same number, so the first column of the output matrix acts
    # as a bias: words are likely, bytes are rare, and the model never ends a text by itself. A test
    # can therefore rely on max_tokens, and on a stream that runs until somebody stops it.
    embedding = random(len(tokens), WIDTH, 1.0)
    embedding[:, 0] = 4.0
    output = random(len(tokens), WIDTH, 0.25)
    output[:, 0] = numpy.array(
        [-12.0] * len(SPECIAL) + [-2.0] * len(BYTES) + [-12.0] * len(MARKS) + [0.0] * len(WORDS), dtype=numpy.float32
    )
    ones = numpy.ones(WIDTH, dtype=numpy.float32)

    writer.add_tensor("token_embd.weight", embedding)
    writer.add_tensor("output.weight", output)
    writer.add_tensor("output_norm.weight", ones)
    for block in range(BLOCKS):
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{block}.{name}.weight", ones)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"blk.{block}.{name}.weight", random(WIDTH, WIDTH, 0.1))
        for name in ("ffn_gate", "ffn_up"):
            writer.add_tensor(f"blk.{block}.{name}.weight", random(FEED_FORWARD, WIDTH, 0.1))
        writer.add_tensor(f"blk.{block}.ffn_down.weight", random(WIDTH, FEED_FORWARD, 0.1))

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: model.py <file.gguf>")
    path = sys.argv[1]
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    # Written aside and renamed: a test that starts meanwhile never reads half a model.
    write(path + ".part")
    os.replace(path + ".part", path)
    print(f"{path}: {os.path.getsize(path)} bytes")
